/**
 * Incremental decoder of the chunked transfer coding (RFC 9112 §7.1), up to the line of the last chunk.
 *
 * @module
 */

import { FIELD_VALUE_BYTE, HEX_VALUE } from "./byte_classes.ts";

/** What `next` found: `more` bytes wanted, a piece of `data`, the `last` chunk's line, or a refusal. */
export type ChunkOutcome = "more" | "data" | "last" | "invalid" | "tooLarge";

const enum State {
  SIZE,
  PADDING,
  EXTENSION,
  SIZE_END,
  DATA,
  DATA_CR,
  DATA_LF,
}

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const SEMICOLON = 59;
const DIGITS_MAX = 16;

/**
 * Finds the content in chunked bytes without copying. Extensions are dropped; their bytes, with the padding
 * before them, are counted over the whole message. Lines end in CRLF only, in extensions too.
 */
export class ChunkedDecoder {
  /** What the last `next` found. */
  outcome: ChunkOutcome = "more";
  /** Where the data starts that `next` found. */
  dataStart = 0;
  /** Where it ends. */
  dataEnd = 0;
  /** One sentence why the outcome is `invalid` or `tooLarge`. */
  detail = "";
  readonly #extensionBytesMax: number;
  #state = State.SIZE;
  #digits = 0;
  #remaining = 0;
  #extensionBytes = 0;

  /** A decoder that refuses more than `extensionBytesMax` bytes of chunk extensions in one message. */
  constructor(extensionBytesMax: number) {
    this.#extensionBytesMax = extensionBytesMax;
  }

  /** Gets ready for a message. */
  start(): void {
    this.#state = State.SIZE;
    this.#digits = 0;
    this.#remaining = 0;
    this.#extensionBytes = 0;
    this.outcome = "more";
  }

  /** Reads from `at` on, to the first outcome or the end of `bytes`, and returns the offset after it. */
  next(bytes: Uint8Array, at: number): number {
    this.outcome = "more";
    while (at < bytes.length && this.outcome === "more") {
      if (this.#state === State.DATA) return this.#takeData(bytes, at);
      this.#step(bytes[at++]!);
    }
    return at;
  }

  #takeData(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + this.#remaining);
    this.dataStart = at;
    this.dataEnd = end;
    this.#remaining -= end - at;
    if (this.#remaining === 0) this.#state = State.DATA_CR;
    this.outcome = "data";
    return end;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case State.SIZE:
        return this.#readSize(byte);
      case State.PADDING:
        if (byte === SEMICOLON) this.#state = State.EXTENSION;
        else if (byte !== SP && byte !== HTAB) return this.#refuse("a chunk size is malformed");
        return this.#countExtension();
      case State.EXTENSION:
        if (byte === CR) this.#state = State.SIZE_END;
        else if (FIELD_VALUE_BYTE[byte] === 0) return this.#refuse("a chunk extension is malformed");
        else this.#countExtension();
        return;
      case State.SIZE_END:
        if (byte !== LF) return this.#refuse("a chunk size line does not end in CRLF");
        return this.#beginChunk();
      case State.DATA_CR:
        if (byte !== CR) return this.#refuse("a chunk is longer than its size");
        this.#state = State.DATA_LF;
        return;
      case State.DATA_LF:
        if (byte !== LF) return this.#refuse("a chunk does not end in CRLF");
        this.#state = State.SIZE;
        return;
      case State.DATA:
        return;
    }
  }

  #readSize(byte: number): void {
    const value = HEX_VALUE[byte]!;
    if (value < 16) {
      this.#remaining = this.#remaining * 16 + value;
      this.#digits++;
      if (this.#digits > DIGITS_MAX || this.#remaining > Number.MAX_SAFE_INTEGER) {
        this.#refuse("a chunk size is too large");
      }
      return;
    }
    if (this.#digits === 0) return this.#refuse("a chunk size is missing");
    if (byte === CR) this.#state = State.SIZE_END;
    else if (byte === SEMICOLON) this.#beginExtension(State.EXTENSION);
    else if (byte === SP || byte === HTAB) this.#beginExtension(State.PADDING);
    else this.#refuse("a chunk size is malformed");
  }

  #beginExtension(state: State): void {
    this.#state = state;
    this.#countExtension();
  }

  #beginChunk(): void {
    this.#digits = 0;
    this.#state = State.DATA;
    if (this.#remaining === 0) this.outcome = "last";
  }

  #countExtension(): void {
    if (++this.#extensionBytes <= this.#extensionBytesMax) return;
    this.outcome = "tooLarge";
    this.detail = "the chunk extensions are too large";
  }

  #refuse(detail: string): void {
    this.outcome = "invalid";
    this.detail = detail;
  }
}
