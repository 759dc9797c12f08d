/**
 * Writer of heads. What goes out is built, never copied through: framing and connection fields are the
 * codec's own, whatever the owner's fields say, and a byte that could end a line makes the head unwritable.
 *
 * @module
 */

import {
  allowedTrailers,
  contentLengthOf,
  fieldValue,
  isConnectionField,
  isTeTrailers,
  joinCookies,
} from "../wire/http_fields.ts";
import type { Fields, RequestHead, ResponseHead } from "../wire/http_handler.ts";
import { FIELD_NAME_BYTE, VISIBLE_BYTE } from "./byte_classes.ts";
import { type BodyLength, CHUNKED, TUNNEL, UNTIL_CLOSE } from "./framing.ts";
import type { Output } from "./output.ts";
import { REASON_PHRASES } from "./reason_phrases.ts";

/** What must be known of a request to write its response. */
export interface AnswerTo {
  /** The method was HEAD: no content may follow. */
  readonly isHead: boolean;
  /** The client speaks HTTP/1.0. */
  readonly isHttp10: boolean;
}

/**
 * Writes a request head, `host` first, and returns the framing of its content; `undefined`, and nothing
 * written, when it can't be said in HTTP/1.1 (a byte that may not stand there, a length that `end` contradicts, CONNECT).
 *
 * - An upgrade (`head.protocol`) goes out as GET with `connection: upgrade`; its framing is TUNNEL, from a 101 on.
 * - Content of unknown length is chunked; POST, PUT and PATCH without content say `content-length: 0`.
 * - `te: trailers` passes, named by `connection: te`; cookie crumbs are joined (RFC 9113 §8.2.3).
 * - `connection: close` when `closes`.
 */
export function encodeRequestHead(
  output: Output,
  head: RequestHead,
  end: boolean,
  closes: boolean,
): BodyLength | undefined {
  const isUpgrade = head.protocol !== undefined;
  const method = isUpgrade ? "GET" : head.method;
  const declared = contentLengthOf(head.fields);
  if (declared === "invalid" || (end && declared !== undefined && declared > 0)) return undefined;
  if (method === "CONNECT" || head.path === "" || (isUpgrade && (end || (declared ?? 0) > 0))) {
    return undefined;
  }
  const start = output.length;
  let isValid = method !== "" && output.text(method, FIELD_NAME_BYTE);
  output.ascii(" ");
  isValid = output.text(head.path, VISIBLE_BYTE) && isValid;
  output.ascii(" HTTP/1.1\r\nhost: ");
  isValid = output.text(head.authority, VISIBLE_BYTE) && isValid;
  output.ascii("\r\n");
  isValid = encodeFields(output, joinCookies(head.fields), "host") && isValid;
  const hasTe = isTeTrailers(fieldValue(head.fields, "te") ?? "");
  if (hasTe) output.ascii("te: trailers\r\n");
  isValid = encodeConnection(output, head.protocol, hasTe, closes) && isValid;
  if (!isValid) {
    output.truncate(start);
    return undefined;
  }
  return endRequestHead(output, method, end, declared, isUpgrade);
}

function endRequestHead(
  output: Output,
  method: string,
  end: boolean,
  declared: number | undefined,
  isUpgrade: boolean,
): BodyLength {
  if (isUpgrade) {
    output.ascii("\r\n");
    return TUNNEL;
  }
  if (!end && declared === undefined) {
    output.ascii("transfer-encoding: chunked\r\n\r\n");
    return CHUNKED;
  }
  const saysNone = end && declared === undefined &&
    (method === "POST" || method === "PUT" || method === "PATCH");
  output.ascii(saysNone ? "content-length: 0\r\n\r\n" : "\r\n");
  return declared ?? 0;
}

function encodeConnection(
  output: Output,
  protocol: string | undefined,
  hasTe: boolean,
  closes: boolean,
): boolean {
  let options = "";
  if (protocol !== undefined) options += ", upgrade";
  if (hasTe) options += ", te";
  if (closes) options += ", close";
  if (options !== "") output.ascii(`connection: ${options.slice(2)}\r\n`);
  if (protocol === undefined) return true;
  output.ascii("upgrade: ");
  const isValid = protocol !== "" && output.text(protocol, FIELD_NAME_BYTE);
  output.ascii("\r\n");
  return isValid;
}

/**
 * Writes an interim response head (100–199 but 101). `false`, and nothing written, when it isn't writable.
 * Length fields are left out.
 */
export function encodeInterimHead(output: Output, head: ResponseHead): boolean {
  const start = output.length;
  encodeStatusLine(output, head.status);
  const isValid = encodeFields(output, head.fields, "content-length");
  output.ascii("\r\n");
  if (!isValid) output.truncate(start);
  return isValid;
}

/** Writes a 101 head that switches to `protocol`. `false`, and nothing written, when it isn't writable. */
export function encodeSwitchHead(output: Output, head: ResponseHead, protocol: string): boolean {
  const start = output.length;
  encodeStatusLine(output, 101);
  output.ascii(`connection: upgrade\r\nupgrade: ${protocol}\r\n`);
  const isValid = encodeFields(output, head.fields, "content-length");
  output.ascii("\r\n");
  if (!isValid) output.truncate(start);
  return isValid;
}

/**
 * Writes a final response head and returns the framing of its content; `undefined`, and nothing written, when
 * it isn't writable (a byte that may not stand there, a malformed length, one that `end` contradicts).
 *
 * - HEAD, 204 and 304 have no content: framing 0; a declared length passes except with 204.
 * - Unknown length is chunked, or ends with the connection for HTTP/1.0. `end` without a length says 0.
 * - `connection: close` when `closes`, or when the connection is what ends the content.
 */
export function encodeResponseHead(
  output: Output,
  head: ResponseHead,
  end: boolean,
  to: AnswerTo,
  closes: boolean,
): BodyLength | undefined {
  const status = head.status;
  const hasNoContent = to.isHead || status === 204 || status === 304;
  const declared = contentLengthOf(head.fields);
  const contradicts = end && !hasNoContent && declared !== undefined && declared !== 0;
  if (!(status >= 200 && status <= 599) || declared === "invalid" || contradicts) return undefined;
  const start = output.length;
  encodeStatusLine(output, status);
  if (!encodeFields(output, head.fields, status === 204 ? "content-length" : "")) {
    output.truncate(start);
    return undefined;
  }
  let length: BodyLength = 0;
  if (!hasNoContent) {
    if (declared !== undefined) length = declared;
    else if (end) output.ascii("content-length: 0\r\n");
    else if (to.isHttp10) length = UNTIL_CLOSE;
    else {
      length = CHUNKED;
      output.ascii("transfer-encoding: chunked\r\n");
    }
  }
  output.ascii(closes || length === UNTIL_CLOSE ? "connection: close\r\n\r\n" : "\r\n");
  return length;
}

/** Writes a whole short response that ends the connection; without its content in answer to HEAD. */
export function encodeRefusal(output: Output, status: number, isHead: boolean): void {
  const text = `${status} ${REASON_PHRASES[status] ?? ""}\n`;
  encodeStatusLine(output, status);
  output.ascii(`content-type: text/plain\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n`);
  if (!isHead) output.ascii(text);
}

/** Writes the last chunk and the trailer section, without what may not stand there; an unwritable one stays empty. */
export function encodeTrailers(output: Output, fields: Fields): void {
  output.ascii("0\r\n");
  const start = output.length;
  if (!encodeFields(output, allowedTrailers(fields), "")) output.truncate(start);
  output.ascii("\r\n");
}

/** Writes field lines but those of the connection and `without`; `false` when one isn't writable. */
function encodeFields(output: Output, fields: Fields, without: string): boolean {
  let lines = "";
  let count = 0;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index]!;
    if (isConnectionField(name) || name === without || name === "te" || name === "http2-settings") continue;
    // A colon in a name would make another name of its first part, one that may be a field left out above.
    if (name.includes(":")) return false;
    lines += `${name}: ${fields[index + 1]!}\r\n`;
    count++;
  }
  return count === 0 || output.fieldLines(lines, count);
}

function encodeStatusLine(output: Output, status: number): void {
  output.ascii(`HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ""}\r\n`);
}
