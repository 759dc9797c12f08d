/**
 * What changes the configuration by itself when its time has come: rules that expire, and a change that nobody has
 * confirmed.
 *
 * @module
 */

import type { Configuration } from "../state/model.ts";
import type { PendingConfirm } from "../store/pending_confirm.ts";

/** Longest wait in one piece; a clock that was set meanwhile is noticed after it. */
const WAIT_MAX_MS = 60_000;
/** Before a step that failed is tried again. */
const RETRY_MS = 1_000;

/** What a watch looks at and what it does. */
export interface DeadlineWatchOptions {
  /** Unix ms. */
  readonly now: () => number;
  /** What is served; absent = nothing. */
  readonly configuration: () => Configuration | undefined;
  /** What waits for its confirmation. */
  readonly pending: () => PendingConfirm | undefined;
  /** Removes what has expired. */
  readonly removeExpired: () => Promise<void>;
  /** Takes back what was not confirmed. */
  readonly revertOverdue: () => Promise<void>;
  /** Gets what a step threw; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/** Waits for the next deadline. Looks at once when it is made, and again after each change: call `look`. */
export class DeadlineWatch implements Disposable {
  readonly #options: DeadlineWatchOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLooking = false;
  #isPaused = false;

  /** Nothing is looked at before `look`. */
  constructor(options: DeadlineWatchOptions) {
    this.#options = options;
  }

  /** Does what is due, and waits for what comes next. */
  look(): void {
    if (this.#isLooking || this.#isPaused) return;
    this.#isLooking = true;
    void this.#step();
  }

  async #step(): Promise<void> {
    const { removeExpired, revertOverdue, onError } = this.#options;
    let leastMs = 0;
    try {
      await revertOverdue();
      await removeExpired();
    } catch (error) {
      onError(error);
      leastMs = RETRY_MS;
    }
    this.#isLooking = false;
    if (this.#isPaused) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), Math.max(leastMs, this.#waitMs()));
  }

  #waitMs(): number {
    const { now, configuration, pending } = this.#options;
    const waiting = pending();
    let nextMs = waiting?.deadlineMs ?? Infinity;
    // What has expired stays while a change waits for its confirmation.
    if (waiting === undefined) {
      for (const { expiresAtMs } of configuration()?.firewallRules ?? []) {
        if (expiresAtMs !== undefined && expiresAtMs < nextMs) nextMs = expiresAtMs;
      }
    }
    return Math.min(WAIT_MAX_MS, Math.max(0, nextMs - now()));
  }

  /** Does nothing until `resume`. */
  pause(): void {
    this.#isPaused = true;
    clearTimeout(this.#timer);
  }

  /** Looks, and waits again. */
  resume(): void {
    this.#isPaused = false;
    this.look();
  }

  /** Waits no more. */
  [Symbol.dispose](): void {
    this.pause();
  }
}
