/**
 * The output buffer of a connection: bytes to be written, and whose content is among them.
 *
 * @module
 */

import { FIELD_NAME_BYTE, FIELD_VALUE_BYTE } from "./byte_classes.ts";

/** No bytes. */
export const EMPTY: Uint8Array = new Uint8Array(0);
const ENCODER = new TextEncoder();
/** First size of a buffer; it serves several small heads, because an allocation costs as much as a head. */
const FIRST_BYTES = 4096;
/** A larger one isn't kept when it is given back: it was needed for a peer that didn't read. */
const SPARE_BYTES_MAX = 131_072;
/** What is left of a buffer is used further when it is as much as this. */
const REST_BYTES_MIN = 1024;
const CR = 13;
const LF = 10;
const COLON = 58;

/** Collects output; allocates nothing while there is none. */
export class Output {
  #buffer: Uint8Array = EMPTY;
  /** All of the memory of which `#buffer` is the rest. */
  #whole: Uint8Array = EMPTY;
  #length = 0;
  /** Stream and number of content bytes of it that are in the buffer, in turn. Rarely more than one pair. */
  #content: number[] = [];

  /** Bytes that `take` would return. */
  get length(): number {
    return this.#length;
  }

  /** Removes everything after the first `length` bytes: a head that turned out not to be writable. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Drops everything, without `taken` calls. */
  clear(): void {
    this.#forget();
    this.#length = 0;
    this.#content = [];
  }

  /** Appends text, one byte a code unit; `false` when it holds a code unit whose class in `classes` is 0. */
  text(text: string, classes: Uint8Array): boolean {
    this.#reserve(text.length);
    const buffer = this.#buffer;
    let at = this.#length;
    let isValid = true;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0xff || classes[code] === 0) isValid = false;
      buffer[at++] = code;
    }
    this.#length = at;
    return isValid;
  }

  /**
   * Appends `count` lines, each `name: value` and CRLF; `false` when the bytes are not exactly such lines.
   * Written in one piece and then looked at, which is twice as fast as text by text.
   */
  fieldLines(lines: string, count: number): boolean {
    this.#reserve(lines.length);
    const start = this.#length;
    const { read, written } = ENCODER.encodeInto(lines, this.#buffer.subarray(start, start + lines.length));
    // What isn't ASCII takes more than a byte in UTF-8.
    const isAscii = read === lines.length && written === lines.length;
    const isLatin1 = isAscii || this.#latin1(lines);
    this.#length = start + lines.length;
    return isLatin1 && this.#areFieldLines(start, count);
  }

  /** Appends ASCII text of ours. */
  ascii(text: string): void {
    this.#reserve(text.length);
    const buffer = this.#buffer;
    let at = this.#length;
    for (let index = 0; index < text.length; index++) buffer[at++] = text.charCodeAt(index);
    this.#length = at;
  }

  /** Appends content of a stream. */
  content(streamId: number, bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    const content = this.#content;
    if (content.at(-2) === streamId) content[content.length - 1]! += bytes.length;
    else content.push(streamId, bytes.length);
  }

  /** Bytes of content of a stream that are in the buffer. */
  contentOf(streamId: number): number {
    let bytes = 0;
    for (let index = 0; index < this.#content.length; index += 2) {
      if (this.#content[index] === streamId) bytes += this.#content[index + 1]!;
    }
    return bytes;
  }

  /** Empties the buffer into an array of the caller's (its ArrayBuffer may hold later output behind it); `taken` is called for each stream whose content was in it. */
  take(taken: (streamId: number, bytes: number) => void): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#length);
    const content = this.#content;
    const isUsable = this.#buffer.length - this.#length >= REST_BYTES_MIN;
    if (isUsable) this.#buffer = this.#buffer.subarray(this.#length);
    else this.#forget();
    this.#length = 0;
    if (content.length > 0) {
      this.#content = [];
      for (let index = 0; index < content.length; index += 2) taken(content[index]!, content[index + 1]!);
    }
    return bytes;
  }

  /** The memory of the last take may be written to again; a large one is kept only where `isBusy`. */
  giveBack(taken: Uint8Array, isBusy: boolean): void {
    const { buffer } = taken;
    const isMine = buffer === this.#whole.buffer;
    if (this.#length > 0 || (!isMine && this.#buffer.length > 0)) return;
    if (buffer.byteLength > (isBusy ? SPARE_BYTES_MAX : FIRST_BYTES)) return this.#forget();
    if (!isMine) this.#whole = new Uint8Array(buffer);
    this.#buffer = this.#whole;
  }

  #forget(): void {
    this.#buffer = this.#whole = EMPTY;
  }

  #latin1(text: string): boolean {
    const start = this.#length;
    let isLatin1 = true;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0xff) isLatin1 = false;
      this.#buffer[start + index] = code;
    }
    return isLatin1;
  }

  #areFieldLines(start: number, count: number): boolean {
    const buffer = this.#buffer;
    const end = this.#length;
    let at = start;
    let lines = 0;
    while (at < end) {
      const nameStart = at;
      while (FIELD_NAME_BYTE[buffer[at]!] === 1) at++;
      if (at === nameStart || buffer[at] !== COLON) return false;
      at++;
      while (at < end && FIELD_VALUE_BYTE[buffer[at]!] !== 0) at++;
      if (buffer[at] !== CR || buffer[at + 1] !== LF) return false;
      at += 2;
      lines++;
    }
    return at === end && lines === count;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2, FIRST_BYTES));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = this.#whole = grown;
  }
}
