/**
 * The open connections of one worker.
 *
 * @module
 */

/** Everything that is open, and a way to wait for its end. */
export class Registry<Connection> implements Iterable<Connection> {
  readonly #open = new Set<Connection>();
  #onEmpty: (() => void) | undefined;

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Adds one that has begun. */
  add(connection: Connection): void {
    this.#open.add(connection);
  }

  /** Takes out one that has ended. */
  delete(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  /** Waits until nothing is open, at most `timeoutMs`. @returns how many are open still */
  async whenEmpty(timeoutMs: number): Promise<number> {
    if (this.#open.size === 0) return 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
    this.#onEmpty = undefined;
    return this.#open.size;
  }

  /** Those open now; may be changed while it is walked through. */
  [Symbol.iterator](): Iterator<Connection> {
    return [...this.#open][Symbol.iterator]();
  }
}
