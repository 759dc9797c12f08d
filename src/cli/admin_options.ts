/**
 * The options of the commands that ask a running server, as its messages want them.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import type { AdminClient } from "../admin/client.ts";
import {
  type AddFirewallRuleResponse,
  Existing,
  type UpdateRouteResponse,
} from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import {
  FirewallAction,
  FirewallMode,
  FirewallRuleType,
  type Route,
  RouteSchema,
} from "../admin/gen/mc_proxy/v1/configuration_pb.ts";
import { type ConnectionFilter, ConnectionFilterSchema } from "../admin/gen/mc_proxy/v1/connection_pb.ts";
import { parseDuration } from "../config/duration.ts";
import { ProxyError } from "../errors.ts";

/** Options by commander's names. */
export type Options = Readonly<Record<string, unknown>>;
type Api = AdminClient["api"];

/** The values of a route that options give. @throws ProxyError config */
export function routeOptions(options: Options): Route {
  const idleTimeout = optionalDuration(options["idleTimeout"], "--idle-timeout");
  return create(RouteSchema, {
    listener: String(options["listener"] ?? ""),
    maxConnections: optionalNumber(options["maxConnections"], "--max-connections"),
    sendProxyProtocol: options["sendProxyProtocol"] === true,
    ...(idleTimeout !== undefined && { idleTimeout }),
  });
}

/** Changes what options name of a route. @throws ProxyError config */
export function updateRoute(api: Api, hostname: string, options: Options): Promise<UpdateRouteResponse> {
  const paths: string[] = [];
  const named = {
    backend: "backend",
    maxConnections: "max_connections",
    idleTimeout: "idle_timeout",
    sendProxyProtocol: "send_proxy_protocol",
  };
  for (const [key, path] of Object.entries(named)) if (options[key] !== undefined) paths.push(path);
  const [enable, disable] = [options["enable"] === true, options["disable"] === true];
  if (enable && disable) throw new ProxyError("config", "--enable and --disable: only one of them");
  if (enable || disable) paths.push("enabled");
  if (paths.length === 0) {
    throw new ProxyError("config", "nothing to change: name an option such as --backend");
  }
  const route = {
    ...routeOptions(options),
    hostname,
    backend: String(options["backend"] ?? ""),
    enabled: !disable,
  };
  return api.updateRoute({ route, updateMask: { paths } });
}

const RULE_TYPES: Readonly<Record<string, FirewallRuleType>> = {
  ip: FirewallRuleType.IP,
  cidr: FirewallRuleType.CIDR,
  country: FirewallRuleType.COUNTRY,
};

/** Adds a firewall rule. @throws ProxyError config */
export function addRule(
  api: Api,
  type: string,
  value: string,
  options: Options,
): Promise<AddFirewallRuleResponse> {
  const number = RULE_TYPES[type];
  if (number === undefined) throw new ProxyError("config", `type: wanted ip, cidr or country, got "${type}"`);
  const ttl = optionalDuration(options["ttl"], "--ttl");
  return api.addFirewallRule({
    rule: {
      type: number,
      value,
      action: options["allow"] === true ? FirewallAction.ALLOW : FirewallAction.BLOCK,
      mode: options["shadow"] === true ? FirewallMode.SHADOW : FirewallMode.ENFORCE,
      comment: String(options["comment"] ?? ""),
    },
    existing: existingOf(options["existing"]),
    ...(ttl !== undefined && { ttl }),
  });
}

/** Which connections options mean. @throws ProxyError config */
export function filterOf(options: Options): ConnectionFilter {
  const minAge = optionalDuration(options["minAge"], "--min-age");
  return create(ConnectionFilterSchema, {
    listener: String(options["listener"] ?? ""),
    route: String(options["route"] ?? ""),
    client: String(options["client"] ?? ""),
    country: String(options["country"] ?? ""),
    ...(minAge !== undefined && { minAge }),
  });
}

const EXISTING: Readonly<Record<string, Existing>> = {
  keep: Existing.KEEP,
  drain: Existing.DRAIN,
  close: Existing.CLOSE,
};

/** What becomes of open connections. @throws ProxyError config */
export function existingOf(word: unknown): Existing {
  if (word === undefined) return Existing.UNSPECIFIED;
  const found = EXISTING[String(word)];
  if (found === undefined) {
    throw new ProxyError("config", `--existing: wanted keep, drain or close, got "${word}"`);
  }
  return found;
}

/** A whole number. @throws ProxyError config */
export function wholeNumber(value: string, name: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new ProxyError("config", `${name}: wanted a whole number, got "${value}"`);
}

/** A whole number; 0 = not given. @throws ProxyError config */
export function optionalNumber(value: unknown, name: string): number {
  return value === undefined ? 0 : wholeNumber(String(value), name);
}

/** A duration; absent = not given. @throws ProxyError config */
export function optionalDuration(value: unknown, name: string): Duration | undefined {
  if (value === undefined) return undefined;
  const ms = parseDuration(String(value));
  if (ms === undefined) {
    throw new ProxyError("config", `${name}: wanted a duration such as "60s", got "${value}"`);
  }
  return durationFromMs(ms);
}
