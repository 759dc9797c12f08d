/**
 * How long a dead worker's place stays empty.
 *
 * @module
 */

const FIRST_MS = 100;
const MAX_MS = 2_000;
const HEALTHY_MS = 60_000;

/** At once the first time, then after 100 ms doubling to 2 s; forgotten after 60 s without a death. */
export class RestartDelay implements Disposable {
  readonly #now: () => number;
  #delayMs = 0;
  #lastMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * No death is known yet.
   *
   * @param now a clock in ms that never goes back; the default is `performance.now`
   */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The delay of a restart that is needed now, in ms. */
  advance(): number {
    const nowMs = this.#now();
    if (nowMs - this.#lastMs >= HEALTHY_MS) this.#delayMs = 0;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(Math.max(delayMs * 2, FIRST_MS), MAX_MS);
    this.#lastMs = nowMs + delayMs;
    return delayMs;
  }

  /** Runs `restart` after the delay. */
  next(restart: () => void): void {
    this.#timer = setTimeout(restart, this.advance());
  }

  /** Takes a planned restart back. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
