/**
 * Bytes that have to wait: pipelined requests behind one that is not answered, content before a 101.
 *
 * @module
 */

const EMPTY = new Uint8Array(0);

/** A queue of bytes in one buffer; allocates nothing while it is empty. */
export class HeldInput {
  #buffer: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;

  /** Bytes held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Appends a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) {
      const length = this.length + bytes.length;
      const grown = new Uint8Array(Math.max(length, Math.min(length * 2, length + 65536)));
      grown.set(this.view());
      this.#end -= this.#start;
      this.#start = 0;
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Puts a copy of `bytes` before all others. */
  unshift(bytes: Uint8Array): void {
    const later = this.view();
    this.clear();
    this.push(bytes);
    if (later.length > 0) this.push(later);
  }

  /** The bytes held; later calls of `push` don't change them. */
  view(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Drops the first `count` bytes. */
  drop(count: number): void {
    this.#start += count;
    if (this.#start >= this.#end) this.clear();
  }

  /** Drops all. */
  clear(): void {
    this.#buffer = EMPTY;
    this.#start = 0;
    this.#end = 0;
  }
}
