/**
 * The options of the commands that ask a running server, as its messages want them.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Existing } from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import {
  FirewallAction,
  FirewallMode,
  type FirewallRule,
  FirewallRuleSchema,
  FirewallRuleType,
} from "../admin/gen/mc_proxy/v1/configuration_pb.ts";
import { type ConnectionFilter, ConnectionFilterSchema } from "../admin/gen/mc_proxy/v1/connection_pb.ts";
import { parseDuration } from "../config/duration.ts";
import { ProxyError } from "../errors.ts";
import type { Options } from "./args.ts";

/** A text, or nothing. */
export function textOf(value: unknown): string {
  return value === undefined ? "" : String(value);
}

const RULE_TYPES: Readonly<Record<string, FirewallRuleType>> = {
  ip: FirewallRuleType.IP,
  cidr: FirewallRuleType.CIDR,
  country: FirewallRuleType.COUNTRY,
};

/** A firewall rule. @param type `ip`, `cidr` or `country` */
export function ruleOf(type: string, value: string, options: Options): FirewallRule {
  return create(FirewallRuleSchema, {
    type: RULE_TYPES[type] ?? FirewallRuleType.UNSPECIFIED,
    value,
    action: options["allow"] === true ? FirewallAction.ALLOW : FirewallAction.BLOCK,
    mode: options["shadow"] === true ? FirewallMode.SHADOW : FirewallMode.ENFORCE,
    comment: textOf(options["comment"]),
  });
}

/** Which connections options mean. @throws ProxyError config */
export function filterOf(options: Options): ConnectionFilter {
  const minAge = optionalDuration(options["minAge"], "--min-age");
  return create(ConnectionFilterSchema, {
    listener: textOf(options["listener"]),
    route: textOf(options["route"]),
    client: textOf(options["client"]),
    country: textOf(options["country"]),
    ids: (options["id"] ?? []) as string[],
    ...(minAge !== undefined && { minAge }),
  });
}

/** Whether options name any condition. */
export function hasFilter(options: Options): boolean {
  return ["listener", "route", "client", "country", "minAge", "id"].some((key) => options[key] !== undefined);
}

const EXISTING: Readonly<Record<string, Existing>> = {
  keep: Existing.KEEP,
  drain: Existing.DRAIN,
  close: Existing.CLOSE,
};

/** What becomes of open connections, and which revision is expected, as every change takes them. @throws ProxyError config */
export function changeOptions(options: Options): { existing: Existing; expectedRevision?: number } {
  const revision = options["expectedRevision"];
  return {
    existing: EXISTING[textOf(options["existing"])] ?? Existing.UNSPECIFIED,
    ...(revision !== undefined && { expectedRevision: wholeNumber(revision, "--expected-revision") }),
  };
}

/** A whole number. @throws ProxyError config */
export function wholeNumber(value: unknown, name: string): number {
  if (/^\d{1,9}$/.test(String(value))) return Number(value);
  throw new ProxyError("config", `${name}: wanted a whole number, got ${JSON.stringify(value)}`);
}

/** A whole number; 0 = not given. @throws ProxyError config */
export function optionalNumber(value: unknown, name: string): number {
  return value === undefined ? 0 : wholeNumber(value, name);
}

/** A duration; absent = not given. @throws ProxyError config */
export function optionalDuration(value: unknown, name: string): Duration | undefined {
  return value === undefined ? undefined : durationFromMs(durationMsOf(value, name));
}

/** A duration in ms. @throws ProxyError config */
export function durationMsOf(value: unknown, name: string): number {
  const ms = parseDuration(String(value));
  if (ms !== undefined) return ms;
  throw new ProxyError(
    "config",
    `${name}: wanted a duration such as "60s", "5m" or "1h30m", got ${JSON.stringify(value)}`,
  );
}
