/**
 * How a message's content ends on the wire (RFC 9112 §6): declared length, chunked, or the connection's end.
 *
 * @module
 */

import { isToken, parseContentLength } from "../wire/http_fields.ts";
import type { HeadParser } from "./head_parser.ts";

/** A content of unknown length in chunks (RFC 9112 §7.1). */
export const CHUNKED: BodyLength = -1;
/** A content that ends with the connection (RFC 9112 §6.3, rule 8); responses only. */
export const UNTIL_CLOSE: BodyLength = -2;
/** After a 101 response: bytes pass as they are, and the end is a FIN. */
export const TUNNEL: BodyLength = -3;

/** Bytes of content to come (0 and up), or {@linkcode CHUNKED}, {@linkcode UNTIL_CLOSE}, {@linkcode TUNNEL}. */
export type BodyLength = number;

/** Why a message is refused: the status that a server answers, and one sentence without the peer's bytes. */
export class Refusal {
  /** Status code for the client; in the client role the message is broken whatever it says. */
  readonly status: number;
  /** One sentence for the log. */
  readonly detail: string;

  /** A refusal with that status and sentence. */
  constructor(status: number, detail: string) {
    this.status = status;
    this.detail = detail;
  }
}

/** What the fields of a head say about the message and the connection. */
export interface FramingFields {
  /** The end-to-end and connection fields in order, without `host` and `transfer-encoding`; flat. */
  readonly fields: string[];
  /** `Host`, absent when there is none. */
  readonly host: string | undefined;
  /** `content-length`, absent when there is none. */
  readonly contentLength: number | undefined;
  /** Whether the content is chunked. */
  readonly isChunked: boolean;
  /** Whether `connection` lists `close`. */
  readonly closes: boolean;
  /** The `upgrade` value in lower case when `connection` lists `upgrade` too; else absent. */
  readonly upgrade: string | undefined;
  /** Whether `expect: 100-continue` is among the fields. */
  readonly expectsContinue: boolean;
}

/**
 * Sorts a head's fields. Refused are: two `host`, two `content-length` (equal ones and lists included: no
 * sender of ours needs them, and what joins or splits fields on the way can't change the meaning), a malformed length,
 * `content-length` with `transfer-encoding`, and any transfer coding but `chunked` once and last.
 */
export function readFramingFields(parser: HeadParser): FramingFields | Refusal {
  const fields: string[] = [];
  let host: string | undefined;
  let contentLength: number | undefined;
  let codings: string | undefined;
  let connection: string | undefined;
  let upgrade: string | undefined;
  let expectsContinue = false;
  for (let index = 0, count = parser.fieldCount; index < count; index++) {
    const name = parser.name(index);
    const value = parser.value(index);
    switch (name) {
      case "host":
        if (host !== undefined) return new Refusal(400, "there are two Host fields");
        host = value;
        continue;
      case "transfer-encoding":
        codings = join(codings, value);
        continue;
      case "content-length":
        if (contentLength !== undefined) return new Refusal(400, "there are two Content-Length fields");
        contentLength = parseContentLength(value);
        if (contentLength < 0) return new Refusal(400, "Content-Length is not a number");
        break;
      case "connection":
        connection = join(connection, value);
        break;
      case "upgrade":
        upgrade = join(upgrade, value);
        break;
      case "expect":
        expectsContinue = value.toLowerCase() === "100-continue";
        break;
    }
    fields.push(name, value);
  }
  if (codings !== undefined) {
    if (contentLength !== undefined) {
      return new Refusal(400, "there are both Content-Length and Transfer-Encoding");
    }
    const refusal = refuseCodings(codings);
    if (refusal !== undefined) return refusal;
  }
  const options = connection === undefined ? NO_OPTIONS : listOf(connection);
  return {
    fields,
    host,
    contentLength,
    isChunked: codings !== undefined,
    closes: options.includes("close"),
    upgrade: options.includes("upgrade") ? upgrade?.toLowerCase() : undefined,
    expectsContinue,
  };
}

const NO_OPTIONS: readonly string[] = [];

function join(list: string | undefined, value: string): string {
  return list === undefined ? value : `${list},${value}`;
}

/** The elements of a comma-separated list in lower case, without the blanks around them. */
function listOf(value: string): readonly string[] {
  const lower = value.toLowerCase();
  if (!lower.includes(",")) return [lower];
  return lower.split(",").map(trimBlanks);
}

/** Without SP and HTAB at either end; unlike `trim`, which also takes 0xA0, a byte of a peer's value. */
function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 9;
}

/**
 * `undefined` when the codings are exactly `chunked`. Otherwise 501 when an unknown coding stands before a
 * final `chunked` (RFC 9112 §6.1), and 400 for all else: there the end of the message is anyone's guess (§6.3).
 */
function refuseCodings(codings: string): Refusal | undefined {
  if (codings === "chunked") return undefined;
  const list = listOf(codings);
  if (list.at(-1) !== "chunked") return new Refusal(400, "the final transfer coding is not chunked");
  if (list.length === 1) return undefined;
  for (let index = 0; index < list.length - 1; index++) {
    const coding = list[index]!;
    if (!isToken(coding)) return new Refusal(400, "Transfer-Encoding is malformed");
    if (coding === "chunked") return new Refusal(400, "the transfer coding chunked is applied twice");
  }
  return new Refusal(501, "the transfer coding is not implemented");
}
