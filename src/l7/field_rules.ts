/**
 * Which fields never pass a proxy, whoever sent them. Each rule looks at a lower-case name alone; a message's rules
 * stand in one array, and one walk over its fields asks them all.
 *
 * @module
 */

import { isConnectionField } from "../wire/http_fields.ts";
import type { Fields } from "../wire/http_handler.ts";

/** Whether a field of that lower-case name is dropped. */
export type FieldRule = (name: string) => boolean;

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "te",
  "http2-settings",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
]);

/**
 * Fields about one connection (RFC 9110 §7.6.1), `te` included, and credentials for or from a proxy, which the next
 * hop would take for its own. An upgrade travels in the head's `protocol`.
 */
export function isHopByHop(name: string): boolean {
  return isConnectionField(name) || HOP_BY_HOP.has(name);
}

/** What a client may not say of itself: `forwarded` (RFC 7239), `x-real-ip` and every `x-forwarded-*`. */
export function isForwarding(name: string): boolean {
  if (name.charCodeAt(0) === 0x78) return name === "x-real-ip" || isForwardedPrefix(name);
  return name === "forwarded";
}

function isForwardedPrefix(name: string): boolean {
  return name.startsWith("x-forwarded-") || name === "x-forwarded";
}

/** `proxy`, which CGI programs read as HTTP_PROXY: where to send their own requests (httpoxy). */
export function isProxyField(name: string): boolean {
  return name === "proxy";
}

/** `x-request-id`: a head has exactly one, set by its own rule. */
export function isRequestId(name: string): boolean {
  return name === "x-request-id";
}

/** `alt-svc` (RFC 7838): a backend must not lead clients around the proxy. */
export function isAltSvc(name: string): boolean {
  return name === "alt-svc";
}

const FRAMING: ReadonlySet<string> = new Set(["host", "content-length"]);

/**
 * A name that a backend may read as one that it trusts: `x_forwarded_for`, `content_length`. CGI and its heirs turn
 * every character but letters and digits into an underscore, so all of those count, not only underscores.
 */
export function isLookAlike(name: string): boolean {
  if (isPlainName(name)) return false;
  const meant = name.replace(/[^a-z0-9]/g, "-");
  return FRAMING.has(meant) || isHopByHop(meant) || isForwarding(meant) || isProxyField(meant) ||
    isRequestId(meant);
}

function isPlainName(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (!((code >= 0x61 && code <= 0x7a) || code === 0x2d || (code >= 0x30 && code <= 0x39))) return false;
  }
  return true;
}

/**
 * The names that the `connection` fields list, in lower case; absent when there is no such field. Never among them:
 * `host` and framing fields, which no sender may have removed on the way.
 */
export function connectionOptions(fields: Fields): ReadonlySet<string> | undefined {
  let options: Set<string> | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "connection") continue;
    options ??= new Set();
    for (const option of fields[index + 1]!.toLowerCase().split(",")) options.add(option.trim());
  }
  for (const name of FRAMING) options?.delete(name);
  return options;
}

/** `fields` without those that a rule drops or `connection` names; the same array when nothing had to go. */
export function withoutDropped(fields: Fields, rules: readonly FieldRule[]): Fields {
  const options = connectionOptions(fields);
  let index = 0;
  while (index < fields.length && !isDropped(fields[index]!, rules, options)) index += 2;
  if (index >= fields.length) return fields;
  const kept = fields.slice(0, index);
  for (index += 2; index < fields.length; index += 2) {
    const name = fields[index]!;
    if (!isDropped(name, rules, options)) kept.push(name, fields[index + 1]!);
  }
  return kept;
}

function isDropped(
  name: string,
  rules: readonly FieldRule[],
  options: ReadonlySet<string> | undefined,
): boolean {
  if (options?.has(name) === true) return true;
  for (const rule of rules) {
    if (rule(name)) return true;
  }
  return false;
}
