/**
 * From a parsed head to a request: request line, target, Host and framing, all judged once and strictly.
 *
 * @module
 */

import { isToken, parseAuthority, parseTarget, sameAuthority } from "../wire/http_fields.ts";
import { NEVER_INDEXED_NONE, type RequestHead } from "../wire/http_handler.ts";
import { type BodyLength, CHUNKED, type FramingFields, readFramingFields, Refusal } from "./framing.ts";
import type { HeadParser } from "./head_parser.ts";

/** A valid request head and what it means for the connection. */
export interface Request {
  /** As the handler gets it. */
  readonly head: RequestHead;
  /** How its content is framed; 0 for none. Never the end of the connection. */
  readonly bodyLength: BodyLength;
  /** The client speaks HTTP/1.0: no chunked and no interim response to it. */
  readonly isHttp10: boolean;
  /** The connection ends after the response: asked for, or HTTP/1.0, or CONNECT. */
  readonly closes: boolean;
  /** The client waits for a 100 response before it sends content. */
  readonly expectsContinue: boolean;
}

/**
 * Reads a request from a parser that is done. Choices where RFC 9112 leaves one:
 * - exactly one non-empty `Host`, in HTTP/1.0 too, because nothing can be routed without it;
 * - `http` and `https` absolute form pass when their authority equals `Host`; the head then carries the scheme;
 * - HTTP/1.0 closes after its response even when it asks for keep-alive, and may not send `Transfer-Encoding`;
 * - HTTP/1.2 to 1.9, which don't exist, get 400; other major versions 505;
 * - an upgrade counts only when it is `websocket` alone, by GET, HTTP/1.1, without content; any other is left
 *   among the fields, and the request is an ordinary one;
 * - CONNECT may have no content.
 */
export function readRequest(parser: HeadParser): Request | Refusal {
  const line = parser.startLine;
  const methodEnd = line.indexOf(" ");
  const targetEnd = line.lastIndexOf(" ");
  if (methodEnd < 0 || targetEnd === methodEnd) return new Refusal(400, "the request line is malformed");
  const version = line.slice(targetEnd + 1);
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") return refuseVersion(version);
  const method = line.slice(0, methodEnd);
  if (!isToken(method)) return new Refusal(400, "the method is malformed");
  const framing = readFramingFields(parser);
  if (framing instanceof Refusal) return framing;
  const isHttp10 = version === "HTTP/1.0";
  if (isHttp10 && framing.isChunked) return new Refusal(400, "HTTP/1.0 with Transfer-Encoding");
  return buildRequest(method, line.slice(methodEnd + 1, targetEnd), framing, isHttp10);
}

function buildRequest(
  method: string,
  targetText: string,
  framing: FramingFields,
  isHttp10: boolean,
): Request | Refusal {
  const target = parseTarget(method, targetText);
  if (target === undefined) return new Refusal(400, "the request target is malformed");
  const host = framing.host;
  if (host === undefined) return new Refusal(400, "there is no Host field");
  if (parseAuthority(host) === undefined) return new Refusal(400, "Host is malformed");
  const isConnect = target.form === "authority";
  const scheme = target.form === "absolute" ? target.scheme : "";
  if ("authority" in target && !sameAuthority(target.authority, host, scheme)) {
    return new Refusal(400, "Host differs from the authority of the request target");
  }
  const bodyLength = framing.isChunked ? CHUNKED : framing.contentLength ?? 0;
  if (isConnect && bodyLength !== 0) return new Refusal(400, "CONNECT with content");
  const isUpgrade = framing.upgrade === "websocket" && method === "GET" && bodyLength === 0 && !isHttp10;
  const head: RequestHead = {
    method,
    scheme,
    authority: host,
    path: isConnect ? "" : target.path,
    ...(isUpgrade ? { protocol: "websocket" } : undefined),
    fields: isHttp10 && framing.expectsContinue ? withoutExpect(framing.fields) : framing.fields,
    neverIndexed: NEVER_INDEXED_NONE,
  };
  return {
    head,
    bodyLength,
    isHttp10,
    closes: framing.closes || isHttp10 || isConnect,
    expectsContinue: framing.expectsContinue && !isHttp10 && bodyLength !== 0,
  };
}

function refuseVersion(version: string): Refusal {
  const isVersion = version.length === 8 && version.startsWith("HTTP/") && isDigit(version, 5) &&
    version[6] === "." && isDigit(version, 7);
  if (isVersion && version[5] !== "1") return new Refusal(505, "the HTTP version is not supported");
  return new Refusal(400, "the HTTP version is malformed");
}

function isDigit(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0x30 && code <= 0x39;
}

/** HTTP/1.0 knows no expectation, and an intermediary must not act on it (RFC 9110 §10.1.1). */
function withoutExpect(fields: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "expect") kept.push(fields[index]!, fields[index + 1]!);
  }
  return kept;
}
