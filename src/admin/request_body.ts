/**
 * The content of one request as it arrives. The peer may send more only when what came was taken: flow control bounds
 * what is held.
 *
 * @module
 */

interface Piece {
  readonly bytes: Uint8Array;
  readonly flowBytes: number;
}

/** An async iterable of what was pushed; read by one reader. */
export class RequestBody implements AsyncIterableIterator<Uint8Array> {
  readonly #onTaken: (flowBytes: number) => void;
  readonly #pieces: Piece[] = [];
  #isEnded = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  /** Nothing has come yet. @param onTaken called with what the peer may send again */
  constructor(onTaken: (flowBytes: number) => void) {
    this.#onTaken = onTaken;
  }

  /** Whether all of it has come, or none comes any more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Adds content. @param bytes are copied */
  push(bytes: Uint8Array, flowBytes: number): void {
    if (this.#isEnded) return this.#onTaken(flowBytes);
    this.#pieces.push({ bytes: bytes.slice(), flowBytes });
    this.#wake?.();
  }

  /** Nothing comes any more. @param error what the reader gets after what has come; absent = a good end */
  end(error?: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    this.#wake?.();
  }

  /** Reads. Rejects with the error that ended it. */
  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#onTaken(piece.flowBytes);
        return { done: false, value: piece.bytes };
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#isEnded) return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }

  /** The reader wants no more: what still comes is thrown away. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.end();
    for (const { flowBytes } of this.#pieces.splice(0)) this.#onTaken(flowBytes);
    return Promise.resolve({ done: true, value: undefined });
  }

  /** As `return`, for a reader that has failed. Rejects with its error. */
  async throw(error: unknown): Promise<IteratorResult<Uint8Array>> {
    await this.return();
    throw error;
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
