/**
 * Incremental reader of a head: start line and field lines up to the empty line, or a trailer section.
 *
 * @module
 */

import { decodeAscii, decodeLatin1 } from "../wire/latin1.ts";
import { FIELD_NAME_BYTE, FIELD_VALUE_BYTE, OBS_TEXT } from "./byte_classes.ts";

/** What is read: a request's head (one empty line before it is skipped, RFC 9112 §2.2), a response's, or trailers. */
export type HeadKind = "request" | "response" | "trailers";

/** How far a head is: `more` bytes wanted, `done`, `tooLarge` (over a limit: 431) or `invalid` (400). */
export type HeadState = "more" | "done" | "tooLarge" | "invalid";

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;
const EMPTY = new Uint8Array(0);
const NEED_MORE = -1;
const REFUSED = -2;

/**
 * Reads one head at a time, a line at a time: a line is judged once it is complete, so that any split of the bytes
 * gives the same outcome, and each byte is looked at a constant number of times. A head that arrives in one
 * piece is read where it lies; only one that arrives in parts is copied.
 *
 * Lines end in CRLF and in nothing else; a bare CR or LF, NUL, another control character, a folded line, an
 * empty name or a space before the colon make the head invalid (RFC 9112 §2.2, §5).
 */
export class HeadParser {
  /** Where reading stands; `read` does nothing unless it is `more`. */
  state: HeadState = "more";
  /** One sentence why the head is `invalid` or `tooLarge`, without any of the peer's bytes. */
  detail = "";
  readonly #bytesMax: number;
  readonly #fieldsMax: number;
  #kind: HeadKind = "request";
  #begun = false;
  #skippedEmptyLine = false;
  /** Bytes of an unfinished head, from its first byte on; in use while `#carried` > 0. */
  #carry: Uint8Array = EMPTY;
  #carried = 0;
  #lineStart = 0;
  /** For each field: start and end of name, start and end of value, from the start of the head. */
  readonly #marks: number[] = [];
  #startLineStart = 0;
  #startLineEnd = 0;
  #text = "";
  /** All byte classes of the start line and the values, or-ed. */
  #seen = 0;

  /** A parser of heads of at most `bytesMax` bytes, line ends included, and `fieldsMax` field lines. */
  constructor(bytesMax: number, fieldsMax: number) {
    this.#bytesMax = bytesMax;
    this.#fieldsMax = fieldsMax;
  }

  /** Forgets what was read and gets ready for a head of this kind. */
  start(kind: HeadKind): void {
    this.#kind = kind;
    this.state = "more";
    this.detail = "";
    this.#begun = kind === "trailers";
    this.#skippedEmptyLine = false;
    this.#carry = EMPTY;
    this.#carried = 0;
    this.#lineStart = 0;
    this.#marks.length = 0;
    this.#text = "";
    this.#seen = 0;
  }

  /** Whether the first bytes of a head have been read but not its last. A skipped empty line doesn't count. */
  get isPartial(): boolean {
    return this.state === "more" && this.#carried > (this.#skippedEmptyLine ? 2 : 0);
  }

  /** Memory held for a head that arrives in parts. */
  get carriedBytes(): number {
    return this.#carry.length;
  }

  /** Reads from `bytes` at `offset` and returns the offset after the last byte that belongs to the head. */
  read(bytes: Uint8Array, offset: number): number {
    if (this.state !== "more") return offset;
    return this.#carried === 0 ? this.#readInPlace(bytes, offset) : this.#readCarried(bytes, offset);
  }

  /** The request or status line without its line end; empty for trailers. Valid when `done`. */
  get startLine(): string {
    return this.#text.slice(this.#startLineStart, this.#startLineEnd);
  }

  /** How many field lines there are. */
  get fieldCount(): number {
    return this.#marks.length >> 2;
  }

  /** The name of field `index`, in lower case. Valid when `done`. */
  name(index: number): string {
    const at = index << 2;
    return this.#text.slice(this.#marks[at], this.#marks[at + 1]).toLowerCase();
  }

  /** The value of field `index` without surrounding white space; bytes ≥ 0x80 are Latin-1 code units. Valid when `done`. */
  value(index: number): string {
    const at = index << 2;
    return this.#text.slice(this.#marks[at + 2], this.#marks[at + 3]);
  }

  #readInPlace(bytes: Uint8Array, offset: number): number {
    const end = this.#readLines(bytes, offset, offset, bytes.length);
    if (this.state !== "more") return end;
    if (bytes.length - offset > this.#bytesMax) return this.#tooLarge("the head is too large", bytes.length);
    this.#keep(bytes, offset, bytes.length);
    this.#lineStart = end - offset;
    return bytes.length;
  }

  #readCarried(bytes: Uint8Array, offset: number): number {
    let at = offset;
    while (this.state === "more" && at < bytes.length) {
      const lineFeed = bytes.indexOf(LF, at);
      const end = lineFeed < 0 ? bytes.length : lineFeed + 1;
      if (this.#carried + end - at > this.#bytesMax) return this.#tooLarge("the head is too large", end);
      this.#keep(bytes, at, end);
      at = end;
      if (lineFeed >= 0) this.#lineStart = this.#readLines(this.#carry, 0, this.#lineStart, this.#carried);
    }
    return at;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#carried + to - from;
    if (length > this.#carry.length) {
      const grown = new Uint8Array(Math.min(Math.max(length * 2, 512), Math.max(this.#bytesMax, length)));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(bytes.subarray(from, to), this.#carried);
    this.#carried = length;
  }

  /** Reads complete lines from `from` on and returns where the first incomplete one (or the body) starts. */
  #readLines(bytes: Uint8Array, headStart: number, from: number, end: number): number {
    let lineStart = from;
    while (this.state === "more") {
      const next = this.#begun
        ? this.#readFieldLine(bytes, headStart, lineStart, end)
        : this.#readStartLine(bytes, headStart, lineStart, end);
      if (next === NEED_MORE) return lineStart;
      if (next === REFUSED) return this.#refuse(bytes, headStart, lineStart, end);
      if (next - headStart > this.#bytesMax) return this.#tooLarge("the head is too large", next);
      if (this.fieldCount > this.#fieldsMax) return this.#tooLarge("the head has too many fields", next);
      const isEmptyLine = next - lineStart === 2;
      lineStart = next;
      if (this.#begun && isEmptyLine) this.#finish(bytes, headStart, next);
    }
    return lineStart;
  }

  #readStartLine(bytes: Uint8Array, headStart: number, from: number, end: number): number {
    let at = from;
    let byteClass = 0;
    while (at < end && (byteClass = FIELD_VALUE_BYTE[bytes[at]!]!) !== 0) {
      this.#seen |= byteClass;
      at++;
    }
    const next = lineEnd(bytes, at, end);
    if (next < 0) return next;
    if (at === from) {
      if (this.#kind !== "request" || this.#skippedEmptyLine) return REFUSED;
      this.#skippedEmptyLine = true;
      return next;
    }
    this.#startLineStart = from - headStart;
    this.#startLineEnd = at - headStart;
    this.#begun = true;
    return next;
  }

  #readFieldLine(bytes: Uint8Array, headStart: number, from: number, end: number): number {
    let at = from;
    while (at < end && FIELD_NAME_BYTE[bytes[at]!] === 1) at++;
    if (at === end) return NEED_MORE;
    if (at === from) return lineEnd(bytes, at, end);
    if (bytes[at] !== COLON) return REFUSED;
    const nameEnd = at++;
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
    const valueStart = at;
    let byteClass = 0;
    while (at < end && (byteClass = FIELD_VALUE_BYTE[bytes[at]!]!) !== 0) {
      this.#seen |= byteClass;
      at++;
    }
    const next = lineEnd(bytes, at, end);
    if (next < 0) return next;
    while (at > valueStart && (bytes[at - 1] === SP || bytes[at - 1] === HTAB)) at--;
    this.#marks.push(from - headStart, nameEnd - headStart, valueStart - headStart, at - headStart);
    return next;
  }

  #finish(bytes: Uint8Array, headStart: number, end: number): void {
    const isAscii = (this.#seen & OBS_TEXT) === 0;
    this.#text = isAscii ? decodeAscii(bytes.subarray(headStart, end)) : decodeLatin1(bytes, headStart, end);
    this.#carry = EMPTY;
    this.#carried = 0;
    this.state = "done";
  }

  /** A line can't be right. The verdict waits for its end, so that it doesn't depend on how the bytes are split. */
  #refuse(bytes: Uint8Array, headStart: number, lineStart: number, end: number): number {
    const lineFeed = bytes.indexOf(LF, lineStart);
    if (lineFeed < 0 || lineFeed >= end) return lineStart;
    if (lineFeed + 1 - headStart > this.#bytesMax) {
      return this.#tooLarge("the head is too large", lineFeed + 1);
    }
    this.state = "invalid";
    this.detail = this.#begun ? "a field line is malformed" : "the start line is malformed";
    return lineFeed + 1;
  }

  #tooLarge(detail: string, end: number): number {
    this.state = "tooLarge";
    this.detail = detail;
    return end;
  }
}

/** The offset after the CRLF at `at`, NEED_MORE when it is cut off, REFUSED when something else stands there. */
function lineEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return NEED_MORE;
  if (bytes[at] !== CR) return REFUSED;
  if (at + 1 >= end) return NEED_MORE;
  return bytes[at + 1] === LF ? at + 2 : REFUSED;
}
