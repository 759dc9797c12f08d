/**
 * How much the peer may send us. The sum of all stream windows that we grant, plus what our owner still holds,
 * stays within one budget, so the connection's own window can always be given back on receipt: a slow stream
 * never stops the others, and the memory is bounded all the same.
 *
 * @module
 */

import { INITIAL_WINDOW_BYTES, MAX_FRAME_BYTES } from "./frames.ts";

const FIRST_WINDOW_BYTES = 65_536;
const WINDOW_MAX_BYTES = 524_288;

/** Hands out stream windows. */
export class ReceiveBudget {
  /** SETTINGS_INITIAL_WINDOW_SIZE: half the budget in equal shares, but one whole frame at least. */
  readonly baseBytes: number;
  /** The most that all windows together come to. */
  readonly totalBytes: number;
  /** The other half, which streams that need more may take from. */
  #freeBytes: number;
  /** Bytes that the owner still holds of streams that are over. */
  #heldBytes = 0;

  /** `budgetBytes` for at most `streams` streams at a time. */
  constructor(budgetBytes: number, streams: number) {
    const half = Math.floor(budgetBytes / 2);
    const share = Math.floor(half / Math.max(1, streams));
    this.baseBytes = Math.min(INITIAL_WINDOW_BYTES, Math.max(MAX_FRAME_BYTES, share));
    this.#freeBytes = half;
    this.totalBytes = this.baseBytes * streams + half;
  }

  /** Bytes that can still be handed out. */
  get freeBytes(): number {
    return Math.max(0, this.#freeBytes - this.#heldBytes);
  }

  /** What a new stream gets on top of the base: up to 64 KiB in all while a quarter of what is free allows it, and `max` does. */
  open(max: number): number {
    const wanted = Math.min(FIRST_WINDOW_BYTES - this.baseBytes, this.freeBytes >> 2, max);
    return wanted >= this.baseBytes >> 2 ? this.#take(wanted) : 0;
  }

  /** What a stream whose window turned over once gets on top: as much again, up to 512 KiB in all and to `max`. */
  grow(windowBytes: number, max: number): number {
    const wanted = Math.min(windowBytes, WINDOW_MAX_BYTES - windowBytes, this.freeBytes >> 2, max);
    return wanted >= this.baseBytes ? this.#take(wanted) : 0;
  }

  /** A stream is over: its window comes back, but for what the owner still holds. */
  close(windowBytes: number, heldBytes: number): void {
    this.#freeBytes += windowBytes - this.baseBytes;
    this.#heldBytes += heldBytes;
  }

  /** The owner let go of bytes of a stream that is over. @returns how many of them it held */
  credit(bytes: number): number {
    const count = Math.min(bytes, this.#heldBytes);
    this.#heldBytes -= count;
    return count;
  }

  #take(bytes: number): number {
    this.#freeBytes -= bytes;
    return bytes;
  }
}
