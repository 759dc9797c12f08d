/**
 * Which of the clients that were turned away get a line of the log: strangers can come without end.
 *
 * @module
 */

/** Lines in one period. */
const LINES_MAX = 10;
const PERIOD_MS = 10_000;

/** Samples refusals. */
export class Refusals {
  readonly #tell: (client: string, detail: string, unlogged: number) => void;
  readonly #now: () => number;
  #sinceMs = -Infinity;
  #told = 0;
  #unlogged = 0;

  /**
   * Nobody was turned away yet.
   *
   * @param tell is told of a client, why, and how many were left out since the one told before
   * @param now a clock in ms that never goes back
   */
  constructor(tell: (client: string, detail: string, unlogged: number) => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  /** A client was turned away. */
  add(client: string, detail: string): void {
    const nowMs = this.#now();
    if (nowMs - this.#sinceMs >= PERIOD_MS) {
      this.#sinceMs = nowMs;
      this.#told = 0;
    }
    if (this.#told >= LINES_MAX) {
      this.#unlogged++;
      return;
    }
    this.#told++;
    this.#tell(client, detail, this.#unlogged);
    this.#unlogged = 0;
  }
}
