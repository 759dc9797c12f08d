/**
 * A wire for tests, and repeatable randomness.
 *
 * @module
 */

/** A repeatable source of numbers below `bound` (xorshift32). */
export function numbers(seed: number): (bound: number) => number {
  let state = seed | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** A direction of the wire. */
export class Pipe {
  #bytes = new Uint8Array(0);

  /** Bytes on the way. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Sends bytes. */
  put(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.#bytes.length + bytes.length);
    joined.set(this.#bytes);
    joined.set(bytes, this.#bytes.length);
    this.#bytes = joined;
  }

  /** Receives at most `count` bytes. */
  take(count: number): Uint8Array {
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.slice(count);
    return taken;
  }
}
