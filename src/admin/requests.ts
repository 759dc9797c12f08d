/**
 * Configuration as requests carry it, read into the model. Names and addresses are brought into their canonical form,
 * as those of the TOML file are. Pure.
 *
 * @module
 */

import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { ProxyError } from "../errors.ts";
import { ADDRESS_OR_CIDR_WANTED, parseAddressOrCidr } from "../policy/cidr.ts";
import { canonicalHostname, HOSTNAME_WANTED } from "../policy/hostname.ts";
import { canonicalRuleValue } from "../policy/rule_value.ts";
import type { RouteReference } from "../state/configuration_draft.ts";
import { quote } from "../state/issue.ts";
import {
  ENDPOINT_WANTED,
  formatEndpoint,
  LISTEN_ADDRESS_WANTED,
  parseEndpoint,
  parseListenAddress,
} from "../state/listen_address.ts";
import type {
  Endpoint,
  FirewallRule,
  L7Options,
  Listener,
  ListenerSeed,
  Route,
  Seed,
} from "../state/model.ts";
import { BACKEND_PROTOCOLS, ROUTE_MODES, RULE_ACTIONS, RULE_MODES, RULE_TYPES } from "./codec.ts";
import type {
  FirewallRule as RuleMessage,
  L7Options as L7Message,
  Listener as ListenerMessage,
  Route as RouteMessage,
} from "./gen/mc_proxy/v1/configuration_pb.ts";

/** An error that names a field. */
export function invalid(field: string, wanted: string, got?: string): ProxyError {
  const text = got === undefined ? `${field}: wanted ${wanted}` : `${field}: wanted ${wanted}, got ${got}`;
  return new ProxyError("invalid", text, { field });
}

/** A listener's address. @throws ProxyError invalid */
export function readListenAddress(text: string, field: string): Endpoint {
  const address = parseListenAddress(text);
  if (address === undefined) throw invalid(field, LISTEN_ADDRESS_WANTED, quote(text));
  return address;
}

/** A listener's address, or nothing for the only listener. @throws ProxyError invalid */
export function readOptionalListener(text: string, field: string): Endpoint | undefined {
  return text === "" ? undefined : readListenAddress(text, field);
}

/** Which route a message means. */
export function routeReference(
  { id, listener, hostname }: Pick<RouteMessage, "id" | "listener" | "hostname">,
  prefix: string,
): RouteReference {
  if (id !== 0) return { id };
  return {
    listener: readOptionalListener(listener, `${prefix}listener`),
    hostname: readHostname(hostname, `${prefix}hostname`),
  };
}

/** The listener with an address. @throws ProxyError invalid, or not_found */
export function findListener(listeners: readonly Listener[], text: string, field: string): Listener {
  const address = formatEndpoint(readListenAddress(text, field));
  const found = listeners.find((listener) => formatEndpoint(listener.address) === address);
  if (found === undefined) throw new ProxyError("not_found", `there is no listener ${address}`);
  return found;
}

/** A route's hostname. @throws ProxyError invalid */
export function readHostname(text: string, field: string): string {
  const hostname = canonicalHostname(text);
  if (hostname === undefined) throw invalid(field, HOSTNAME_WANTED, quote(text));
  return hostname;
}

/** A listener with its routes. @throws ProxyError invalid */
export function readListener(message: ListenerMessage, field = "listener"): ListenerSeed {
  return {
    address: readListenAddress(message.addr, `${field}.addr`),
    maxConnections: message.maxConnections,
    proxyProtocol: message.proxyProtocol,
    trustedProxies: message.trustedProxies.map((text, index) => {
      const range = text.includes("/")
        ? parseAddressOrCidr(text)?.text
        : parseAddressOrCidr(text)?.address.text;
      if (range !== undefined) return range;
      throw invalid(
        `${field}.trusted_proxies[${index}]`,
        ADDRESS_OR_CIDR_WANTED,
        quote(text),
      );
    }),
    routes: message.routes.map((route, index) => readRoute(route, `${field}.routes[${index}]`)),
  };
}

/** A route, all of its values. @throws ProxyError invalid */
export function readRoute(message: RouteMessage, field = "route"): Seed<Route> {
  const mode = ROUTE_MODES[message.mode];
  if (mode === undefined) throw invalid(`${field}.mode`, "L4 or L7", String(message.mode));
  const { idleTimeout } = message;
  return {
    hostname: readHostname(message.hostname, `${field}.hostname`),
    backend: readBackend(message.backend, `${field}.backend`),
    enabled: message.enabled ?? true,
    mode,
    sendProxyProtocol: message.sendProxyProtocol,
    ...(idleTimeout !== undefined && { idleTimeoutMs: durationMs(idleTimeout) }),
    maxConnections: message.maxConnections,
    ...(message.l7 !== undefined && { l7: readL7(message.l7, `${field}.l7`) }),
  };
}

/**
 * A route whose values are another's, but for those that a mask names.
 *
 * @param paths names of the message's fields; empty = all
 * @throws ProxyError invalid
 */
export function readRouteUpdate(before: Route, message: RouteMessage, paths: readonly string[]): Seed<Route> {
  if (paths.length === 0) {
    const hostname = message.hostname === "" ? before.hostname : message.hostname;
    return readRoute({ ...message, hostname });
  }
  const filled = readRoute({
    ...message,
    hostname: paths.includes("hostname") ? message.hostname : before.hostname,
    backend: paths.includes("backend") ? message.backend : "0.0.0.0:1",
  });
  const { idleTimeoutMs, l7, ...rest } = before;
  const next: { -readonly [Name in keyof Seed<Route>]: Seed<Route>[Name] } = {
    ...rest,
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    ...(l7 !== undefined && { l7 }),
  };
  for (const path of paths) {
    const name = MASKED[path];
    if (name === undefined) {
      throw invalid("update_mask", `names among ${Object.keys(MASKED).join(", ")}`, quote(path));
    }
    if (filled[name] === undefined) delete next[name];
    else Object.assign(next, { [name]: filled[name] });
  }
  return next;
}

/** What a mask may name, and what the model calls it. */
const MASKED: Readonly<Record<string, keyof Seed<Route>>> = {
  hostname: "hostname",
  backend: "backend",
  enabled: "enabled",
  mode: "mode",
  send_proxy_protocol: "sendProxyProtocol",
  idle_timeout: "idleTimeoutMs",
  max_connections: "maxConnections",
  l7: "l7",
};

function readL7(message: L7Message, field: string): L7Options {
  if (!(message.backendProtocol in BACKEND_PROTOCOLS)) {
    throw invalid(`${field}.backend_protocol`, "H2C, H2 or HTTP1", String(message.backendProtocol));
  }
  const wanted = BACKEND_PROTOCOLS[message.backendProtocol];
  const backendProtocol = wanted ?? (message.backendTls ? "h2" : "h2c");
  return {
    tlsCert: readPath(message.tlsCert, `${field}.tls_cert`),
    tlsKey: readPath(message.tlsKey, `${field}.tls_key`),
    backendTls: message.backendTls || backendProtocol === "h2",
    backendCa: message.backendCa === "" ? "" : readPath(message.backendCa, `${field}.backend_ca`),
    backendServerName: message.backendServerName.toLowerCase(),
    backendProtocol,
    ...(message.acmeBackend !== "" && {
      acmeBackend: readBackend(message.acmeBackend, `${field}.acme_backend`),
    }),
    ...(message.maxBodyBytes !== undefined && { maxBodyBytes: Number(message.maxBodyBytes) }),
  };
}

function readPath(text: string, field: string): string {
  if (text.startsWith("/") && !text.includes("\0")) return text;
  throw invalid(field, "an absolute path of a file on the server's host", quote(text));
}

function readBackend(text: string, field: string): Endpoint {
  const backend = parseEndpoint(text);
  if (backend === undefined) throw invalid(field, ENDPOINT_WANTED, quote(text));
  return backend;
}

/** A firewall rule. @throws ProxyError invalid */
export function readRule(message: RuleMessage, field = "rule"): Seed<FirewallRule> {
  const type = RULE_TYPES[message.type];
  if (type === undefined) throw invalid(`${field}.type`, "IP, CIDR or COUNTRY", String(message.type));
  const [action, mode] = [RULE_ACTIONS[message.action], RULE_MODES[message.mode]];
  if (action === undefined) throw invalid(`${field}.action`, "BLOCK or ALLOW", String(message.action));
  if (mode === undefined) throw invalid(`${field}.mode`, "ENFORCE or SHADOW", String(message.mode));
  const value = canonicalRuleValue(type, message.value);
  if (value.kind === "invalid") throw invalid(`${field}.value`, value.wanted, quote(message.value));
  return {
    type,
    value: value.value,
    action,
    mode,
    ...(message.expireTime !== undefined && { expiresAtMs: timestampMs(message.expireTime) }),
    comment: message.comment,
  };
}
