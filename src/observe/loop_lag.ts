/**
 * How late a process's event loop is: what it still has to do keeps timers, and everybody else, waiting.
 *
 * @module
 */

import type { Column } from "./column.ts";

/** Between two beats, in ms. */
export const BEAT_MS = 1_000;
/** The worst of so long is told, and as long again: whoever looks each 15 s misses none. */
const WINDOW_MS = 15_000;

/** Writes into a column how late the latest of this process's last beats was. */
export class LoopLag {
  readonly #column: Pick<Column, "lagMs">;
  #beatMs: number;
  #windowMs: number;
  #worstMs = 0;
  #worstBeforeMs = 0;

  /** Nothing is late yet. @param nowMs of a clock that never goes back */
  constructor(column: Pick<Column, "lagMs">, nowMs: number) {
    this.#column = column;
    this.#beatMs = this.#windowMs = nowMs;
  }

  /** Called by a timer each {@linkcode BEAT_MS}. @param nowMs of the same clock */
  beat(nowMs: number): void {
    if (nowMs - this.#windowMs >= WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#worstBeforeMs = this.#worstMs;
      this.#worstMs = 0;
    }
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#beatMs - BEAT_MS);
    this.#beatMs = nowMs;
    this.#column.lagMs = Math.max(this.#worstMs, this.#worstBeforeMs);
  }
}
