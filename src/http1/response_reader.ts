/**
 * From a parsed head to a response: status line and framing, held to the same rules as a request.
 *
 * @module
 */

import { NEVER_INDEXED_NONE, type ResponseHead } from "../wire/http_handler.ts";
import {
  type BodyLength,
  CHUNKED,
  type FramingFields,
  readFramingFields,
  Refusal,
  UNTIL_CLOSE,
} from "./framing.ts";
import type { HeadParser } from "./head_parser.ts";

/** What must be known of a request to read its response (RFC 9112 §6.3). */
export interface AskedFor {
  /** The method was HEAD: no content follows whatever the fields say. */
  readonly isHead: boolean;
  /** The request asked for an upgrade: 101 is allowed. */
  readonly isUpgrade: boolean;
}

/** A valid response head and what it means for the connection. */
export interface Response {
  /** As the handler gets it. */
  readonly head: ResponseHead;
  /** How its content is framed; 0 for none. */
  readonly bodyLength: BodyLength;
  /** 100–199 but 101: another response follows. */
  readonly isInterim: boolean;
  /** The connection can't carry another request. */
  readonly closes: boolean;
}

/**
 * Reads a response from a parser that is done. Choices where RFC 9112 leaves one:
 * - the space before an empty reason phrase may be missing, as some servers do;
 * - status 600 and up, or below 100, is malformed;
 * - HTTP/1.0 closes, even when it offers keep-alive, and may not send `Transfer-Encoding`;
 * - 1xx and 204 with `Transfer-Encoding` or a length other than 0 are refused (RFC 9112 §6.1, RFC 9110 §8.6):
 *   whoever sends them may send content too; a length of 0 is dropped;
 * - 101 only when the request asked for it, in HTTP/1.1, with `connection: upgrade` and `upgrade: websocket`.
 */
export function readResponse(parser: HeadParser, asked: AskedFor): Response | Refusal {
  const line = parser.startLine;
  const isHttp10 = line.startsWith("HTTP/1.0 ");
  if (!isHttp10 && !line.startsWith("HTTP/1.1 ")) return new Refusal(502, "the status line is malformed");
  const status = readStatus(line);
  if (status < 100 || status > 599) return new Refusal(502, "the status code is malformed");
  const framing = readFramingFields(parser);
  if (framing instanceof Refusal) return framing;
  if (isHttp10 && framing.isChunked) return new Refusal(502, "HTTP/1.0 with Transfer-Encoding");
  const hasNoFraming = status < 200 || status === 204;
  if (hasNoFraming && (framing.isChunked || (framing.contentLength ?? 0) !== 0)) {
    return new Refusal(502, "a response that has no content declares some");
  }
  if (status === 101 && (isHttp10 || !asked.isUpgrade || framing.upgrade !== "websocket")) {
    return new Refusal(502, "switching protocols was not asked for or names another protocol");
  }
  const fields = hasNoFraming && framing.contentLength === 0 ? withoutLength(framing.fields) : framing.fields;
  const bodyLength = hasNoFraming || status === 304 || asked.isHead ? 0 : lengthOf(framing);
  return {
    head: { status, fields, neverIndexed: NEVER_INDEXED_NONE },
    bodyLength,
    isInterim: status < 200 && status !== 101,
    closes: isHttp10 || framing.closes || bodyLength === UNTIL_CLOSE,
  };
}

function lengthOf(framing: FramingFields): BodyLength {
  return framing.isChunked ? CHUNKED : framing.contentLength ?? UNTIL_CLOSE;
}

/** The three digits after the version, or -1. */
function readStatus(line: string): number {
  if (line.length > 12 && line[12] !== " ") return -1;
  let status = 0;
  for (let index = 9; index < 12; index++) {
    const digit = line.charCodeAt(index) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return -1;
    status = status * 10 + digit;
  }
  return status;
}

function withoutLength(fields: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "content-length") kept.push(fields[index]!, fields[index + 1]!);
  }
  return kept;
}
