/**
 * The field rules that HTTP/1.1 and HTTP/2 share: what a name, a value, an authority, a request target and a
 * length may look like, and which fields may not pass. Text is one character a byte (Latin-1) throughout.
 *
 * Every function looks once at each character, never throws, and says invalid rather than repairs: what has
 * been repaired can't be refused any more.
 *
 * @module
 */

import type { Fields } from "./http_handler.ts";

const TOKEN = 1;
const LOWER_TOKEN = 2;
const VALUE = 4;
const TARGET = 8;
const HOST = 16;
const DIGIT = 32;
const HEX = 64;

const CLASSES = classTable();

function classTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (let code = 0; code < 256; code++) {
    const char = String.fromCharCode(code);
    if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(char)) table[code]! |= TOKEN;
    if (/[!#$%&'*+.^_`|~0-9a-z-]/.test(char)) table[code]! |= LOWER_TOKEN;
    if (code === 9 || (code >= 0x20 && code !== 0x7f)) table[code]! |= VALUE;
    if (code > 0x20 && code < 0x7f && char !== "#") table[code]! |= TARGET;
    if (/[A-Za-z0-9._~-]/.test(char)) table[code]! |= HOST;
    if (/[0-9]/.test(char)) table[code]! |= DIGIT;
    if (/[0-9A-Fa-f]/.test(char)) table[code]! |= HEX;
  }
  return table;
}

function allOf(text: string, mask: number, from = 0, to = text.length): boolean {
  for (let index = from; index < to; index++) {
    if ((CLASSES[text.charCodeAt(index)]! & mask) === 0) return false;
  }
  return true;
}

/** Whether `text` is a token (RFC 9110 §5.6.2): a method, or a field name in HTTP/1.1. Empty is none. */
export function isToken(text: string): boolean {
  return text.length > 0 && allOf(text, TOKEN);
}

/** Whether `text` is a field name in lower case, the only spelling that HTTP/2 allows (RFC 9113 §8.2.1). */
export function isFieldName(text: string): boolean {
  return text.length > 0 && allOf(text, LOWER_TOKEN);
}

/**
 * Whether `text` is a field value (RFC 9110 §5.5): no control character but tab (so no NUL, CR or LF), no
 * blank at either end. Empty is one. Bytes from 0x80 up are opaque and allowed.
 */
export function isFieldValue(text: string): boolean {
  return !hasBlankEnds(text) && allOf(text, VALUE);
}

function hasBlankEnds(text: string): boolean {
  if (text.length === 0) return false;
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  return first === 0x20 || first === 9 || last === 0x20 || last === 9;
}

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Whether the lower-case `name` speaks of one connection and never passes a proxy; in HTTP/2 it makes the
 * message malformed (RFC 9113 §8.2.2). `te` has a rule of its own, {@linkcode isTeTrailers}.
 */
export function isConnectionField(name: string): boolean {
  return CONNECTION_FIELDS.has(name);
}

/** Whether a `te` value is `trailers`, the only one that HTTP/2 allows and that passes the proxy. */
export function isTeTrailers(value: string): boolean {
  return value.length === 8 && value.toLowerCase() === "trailers";
}

const TRAILERS_FORBIDDEN: ReadonlySet<string> = new Set([
  ...CONNECTION_FIELDS,
  "te",
  "trailer",
  "host",
  "content-length",
  "content-encoding",
  "content-type",
  "content-range",
  "authorization",
  "proxy-authorization",
  "proxy-authenticate",
  "www-authenticate",
  "cookie",
  "set-cookie",
  "age",
  "cache-control",
  "date",
  "expires",
  "location",
  "retry-after",
  "vary",
  "warning",
  "expect",
  "max-forwards",
  "pragma",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
]);

/**
 * Whether the lower-case `name` may not stand in a trailer section: framing, routing, request modifiers,
 * authentication, response control, content format (RFC 9110 §6.5.1). Such a trailer is dropped, not merged.
 */
export function isForbiddenTrailer(name: string): boolean {
  return TRAILERS_FORBIDDEN.has(name);
}

/** `fields` without those that may not be trailers; the same array when nothing had to go. */
export function allowedTrailers(fields: Fields): Fields {
  let index = 0;
  while (index < fields.length && !TRAILERS_FORBIDDEN.has(fields[index]!)) index += 2;
  if (index >= fields.length) return fields;
  const kept = fields.slice(0, index);
  for (index += 2; index < fields.length; index += 2) {
    const name = fields[index]!;
    if (!TRAILERS_FORBIDDEN.has(name)) kept.push(name, fields[index + 1]!);
  }
  return kept;
}

/** A `content-length` value as a number, or -1 when it isn't plain digits up to 2^53-1 (RFC 9110 §8.6). */
export function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 16 || !allOf(value, DIGIT)) return -1;
  const length = Number(value);
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/**
 * The length that `fields` declare: a number, `undefined` when none does, or `"invalid"` when one is
 * malformed or there are two, equal ones included (a list of lengths is the oldest way to smuggle).
 */
export function contentLengthOf(fields: Fields): number | undefined | "invalid" {
  let found: number | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "content-length") continue;
    const length = parseContentLength(fields[index + 1]!);
    if (length < 0 || found !== undefined) return "invalid";
    found = length;
  }
  return found;
}

/** Value of the first field of that lower-case name, or `undefined`. */
export function fieldValue(fields: Fields, name: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] === name) return fields[index + 1];
  }
  return undefined;
}

/**
 * `fields` with all `cookie` fields joined by `"; "` in the place of the first, which HTTP/1.1 and most
 * servers need (RFC 9113 §8.2.3); the same array when there is at most one.
 */
export function joinCookies(fields: Fields): Fields {
  let first = -1;
  let crumbs: string[] | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "cookie") continue;
    if (first < 0) first = index;
    else (crumbs ??= [fields[first + 1]!]).push(fields[index + 1]!);
  }
  if (crumbs === undefined) return fields;
  const joined: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    if (index === first) joined.push("cookie", crumbs.join("; "));
    else if (fields[index] !== "cookie") joined.push(fields[index]!, fields[index + 1]!);
  }
  return joined;
}

/** A parsed authority. */
export interface Authority {
  /** Lower case, without port and without one trailing dot; an IPv6 address in its brackets. */
  readonly host: string;
  /** 0–65535, absent when none is written. */
  readonly port?: number;
}

/**
 * Parses `host[:port]` (RFC 9110 §4.2.3, §7.2), or `undefined` when it is anything else. Stricter than RFC
 * 3986: a host is made of letters, digits and `-._~`, or is a bracketed IPv6 address; no user information
 * (RFC 9113 §8.3.1), no percent-encoding, no empty host, no empty port.
 */
export function parseAuthority(text: string): Authority | undefined {
  const hostEnd = text.startsWith("[") ? addressEnd(text) : nameEnd(text);
  if (hostEnd <= 0) return undefined;
  const lower = text.slice(0, hostEnd).toLowerCase();
  const host = lower.endsWith(".") ? lower.slice(0, -1) : lower;
  if (host === "") return undefined;
  if (hostEnd === text.length) return { host };
  const digits = text.length - hostEnd - 1;
  if (text[hostEnd] !== ":" || digits < 1 || digits > 5 || !allOf(text, DIGIT, hostEnd + 1)) return undefined;
  const port = Number(text.slice(hostEnd + 1));
  return port <= 65535 ? { host, port } : undefined;
}

function nameEnd(text: string): number {
  let index = 0;
  while (index < text.length && (CLASSES[text.charCodeAt(index)]! & HOST) !== 0) index++;
  return index;
}

function addressEnd(text: string): number {
  const close = text.indexOf("]");
  if (close < 3 || close > 46) return -1;
  let colons = 0;
  for (let index = 1; index < close; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x3a) colons++;
    else if (code !== 0x2e && (CLASSES[code]! & HEX) === 0) return -1;
  }
  return colons >= 2 && colons <= 8 ? close + 1 : -1;
}

/**
 * Whether two authorities name the same host and port; an absent port is the scheme's own (443 for `https`,
 * 80 for `http`, only itself for any other scheme). An authority that doesn't parse equals none.
 */
export function sameAuthority(left: string, right: string, scheme: string): boolean {
  const first = parseAuthority(left);
  if (first === undefined) return false;
  if (left === right) return true;
  const second = parseAuthority(right);
  if (second === undefined || first.host !== second.host) return false;
  const implied = scheme === "https" ? 443 : scheme === "http" ? 80 : -1;
  return (first.port ?? implied) === (second.port ?? implied);
}

/** A request target in one of its four forms (RFC 9112 §3.2). */
export type RequestTarget =
  | { readonly form: "origin"; readonly path: string }
  | { readonly form: "absolute"; readonly scheme: string; readonly authority: string; readonly path: string }
  | { readonly form: "authority"; readonly authority: string }
  | { readonly form: "asterisk"; readonly path: "*" };

/**
 * Whether `text` is an origin-form path with query: begins with `/`, visible ASCII only, no `#`. Nothing is
 * normalised or decoded.
 */
export function isOriginPath(text: string): boolean {
  return text.charCodeAt(0) === 0x2f && allOf(text, TARGET);
}

/**
 * Parses the request target of `method`: authority form for CONNECT and only for it, `*` for OPTIONS and
 * only for it, else origin form or absolute form with `http` or `https`. `undefined` when it is none of them.
 * An absolute form without path gives `/`, or `*` for OPTIONS (RFC 9112 §3.2.4).
 */
export function parseTarget(method: string, target: string): RequestTarget | undefined {
  if (method === "CONNECT") {
    const authority = parseAuthority(target);
    return authority?.port === undefined ? undefined : { form: "authority", authority: target };
  }
  if (target === "*") return method === "OPTIONS" ? { form: "asterisk", path: "*" } : undefined;
  if (isOriginPath(target)) return { form: "origin", path: target };
  const scheme = /^https?:\/\//i.exec(target);
  if (scheme === null || !allOf(target, TARGET)) return undefined;
  const start = scheme[0].length;
  const rest = target.slice(start).search(/[/?]/);
  const authority = rest < 0 ? target.slice(start) : target.slice(start, start + rest);
  if (parseAuthority(authority) === undefined) return undefined;
  let path = rest < 0 ? "" : target.slice(start + rest);
  if (path === "") path = method === "OPTIONS" ? "*" : "/";
  else if (path.startsWith("?")) path = `/${path}`;
  return { form: "absolute", scheme: scheme[0].slice(0, -3).toLowerCase(), authority, path };
}
