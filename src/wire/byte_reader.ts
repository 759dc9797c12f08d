/**
 * Reads big-endian integers and length-prefixed vectors out of bytes that a peer chose, without ever throwing.
 *
 * @module
 */

/**
 * A cursor over `bytes[start, end)`. A read past the end gives 0 or an empty reader and sets
 * {@linkcode ByteReader.failed} for good, so that a parser may read a whole structure and look once.
 * Nothing is copied: the bytes must not change while the reader is in use.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const reader = new ByteReader(Uint8Array.of(0, 2, 7, 8));
 * const vector = reader.vector16();
 * assert.equal(vector.uint8(), 7);
 * assert.equal(reader.uint8(), 0);
 * assert.equal(reader.failed, true);
 * ```
 */
export class ByteReader {
  /** The bytes read from. */
  readonly bytes: Uint8Array;
  /** Index in {@linkcode ByteReader.bytes} of the next byte to read. */
  offset: number;
  /** Index after the last byte that may be read. */
  readonly end: number;
  /** Whether a read went past the end; what was read after that means nothing. */
  failed = false;

  /**
   * Starts at `start`.
   *
   * @param bytes where to read
   * @param start index of the first byte, default 0
   * @param end index after the last byte, default the length; both must lie within the bytes
   */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.end - this.offset;
  }

  /** The next byte; 0 past the end. */
  uint8(): number {
    if (this.offset >= this.end) return this.#fail();
    return this.bytes[this.offset++]!;
  }

  /** The next two bytes; 0 past the end. */
  uint16(): number {
    const at = this.offset;
    if (this.end - at < 2) return this.#fail();
    this.offset = at + 2;
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  /** Passes over `count` bytes. */
  skip(count: number): void {
    if (count > this.remaining) this.#fail();
    else this.offset += count;
  }

  /** A reader of the next `count` bytes, which are passed over here. Empty past the end. */
  take(count: number): ByteReader {
    if (count > this.remaining) {
      this.#fail();
      return new ByteReader(this.bytes, this.end, this.end);
    }
    const start = this.offset;
    this.offset = start + count;
    return new ByteReader(this.bytes, start, this.offset);
  }

  /** A reader of the vector that follows with a length of one byte (RFC 8446 §3.4). */
  vector8(): ByteReader {
    return this.take(this.uint8());
  }

  /** A reader of the vector that follows with a length of two bytes (RFC 8446 §3.4). */
  vector16(): ByteReader {
    return this.take(this.uint16());
  }

  /** What is left to read, as a view. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.offset, this.end);
  }

  #fail(): 0 {
    this.failed = true;
    this.offset = this.end;
    return 0;
  }
}
