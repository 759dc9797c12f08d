/**
 * Decoded field sections to heads: the pseudo-field rules of RFC 9113 §8.3 and RFC 8441 §4.
 *
 * @module
 */

import type { RequestHead, ResponseHead } from "../wire/http_handler.ts";
import { isOriginPath, isToken, parseAuthority, sameAuthority } from "../wire/http_fields.ts";
import type { FieldSection } from "./field_section.ts";

/**
 * The request head in `section`, or why it is malformed. `end`: no content follows. A fault that could hide a
 * second request also sets `section.smuggles`.
 */
export function requestHead(
  section: FieldSection,
  end: boolean,
  extendedConnect: boolean,
): RequestHead | string {
  if (section.malformed !== "") return section.malformed;
  const { method, scheme, path, protocol, host } = section;
  if (section.status !== undefined) return ":status in a request";
  if (method === undefined || !isToken(method)) return "no valid :method";
  if (end && section.contentLength > 0) return smuggled(section, "a declared length without content");
  const authority = section.authority ?? host ?? "";
  const plainConnect = method === "CONNECT" && protocol === undefined;
  if (plainConnect) {
    if (scheme !== undefined || path !== undefined) return "CONNECT with :scheme or :path";
    if (section.authority === undefined) return "CONNECT without :authority";
  } else {
    if (scheme === undefined || !isScheme(scheme)) return "no valid :scheme";
    if (path === undefined || path === "") return "no :path";
    if (path === "*" ? method !== "OPTIONS" : !isOriginPath(path)) {
      return smuggled(section, "an invalid :path");
    }
    if (protocol !== undefined) {
      if (method !== "CONNECT" || !extendedConnect || !isToken(protocol)) {
        return ":protocol that is not allowed";
      }
    }
  }
  if (parseAuthority(authority) === undefined) return smuggled(section, "no valid authority");
  if (host !== undefined && host !== authority && !sameAuthority(host, authority, scheme ?? "")) {
    return smuggled(section, ":authority and host that differ");
  }
  const head = {
    method,
    scheme: scheme ?? "",
    authority,
    path: path ?? "",
    fields: section.fields,
    neverIndexed: section.neverIndexed,
  };
  return protocol === undefined ? head : { ...head, protocol };
}

function smuggled(section: FieldSection, reason: string): string {
  section.smuggles = true;
  return reason;
}

function isScheme(text: string): boolean {
  return text === "https" || text === "http" || /^[A-Za-z][A-Za-z0-9+.-]*$/.test(text);
}

/** The response head in `section`, or why it is malformed. 101 does not exist in HTTP/2 (RFC 9113 §8.6). */
export function responseHead(section: FieldSection, end: boolean): ResponseHead | string {
  if (section.malformed !== "") return section.malformed;
  const { status } = section;
  const request = section.method ?? section.scheme ?? section.authority ?? section.path ?? section.protocol;
  if (request !== undefined) return "a request's pseudo-field in a response";
  if (status === undefined || !/^[1-9][0-9][0-9]$/.test(status)) return "no valid :status";
  const code = Number(status);
  if (code === 101) return ":status 101";
  if (code < 200 && end) return "an interim response that ends the stream";
  return { status: code, fields: section.fields, neverIndexed: section.neverIndexed };
}
