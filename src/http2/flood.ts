/**
 * Counts what a peer makes us do for nothing. Each kind has a token bucket; an empty one ends the connection
 * with ENHANCE_YOUR_CALM and names the kind.
 *
 * @module
 */

import type { ResolvedOptions } from "./options.ts";

/** Kinds of floods, as they stand in the metric `mcproxy_flood_total{kind}`. */
export const FloodKind = {
  RESET: "reset",
  RESET_MADE: "reset_made",
  STREAMS: "streams",
  PING: "ping",
  SETTINGS: "settings",
  PRIORITY: "priority",
  EMPTY_DATA: "empty_data",
  WINDOW_UPDATE: "window_update",
  CONTINUATION: "continuation",
  HEADER_BYTES: "header_bytes",
  HEADER_EXPANSION: "header_expansion",
  BUFFERED_BYTES: "buffered_bytes",
  UNREAD_OUTPUT: "unread_output",
  WORKER_BUFFER: "worker_buffer",
} as const;

/** A value of {@linkcode FloodKind}. */
export type FloodKind = typeof FloodKind[keyof typeof FloodKind];

/** Tokens that come back with time up to a burst, and beyond it only by `earn`. */
export class TokenBucket {
  #tokens: number;
  #lastMs = 0;

  /** A full bucket. */
  constructor(readonly perSecond: number, readonly burst: number) {
    this.#tokens = burst;
  }

  /** Takes one token, or says false when there is none. Time that goes backwards counts as none. */
  take(nowMs: number): boolean {
    if (this.#tokens < this.burst) {
      const elapsedMs = Math.max(0, nowMs - this.#lastMs);
      this.#tokens = Math.min(this.burst, this.#tokens + elapsedMs * this.perSecond / 1_000);
    }
    if (nowMs > this.#lastMs) this.#lastMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Adds tokens for something that we did, up to ten bursts. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.burst * 10, this.#tokens + tokens);
  }
}

/** The buckets of one connection. */
export class FloodGuard {
  /** RST_STREAM frames of the peer's. */
  readonly reset: TokenBucket;
  /** Streams that the peer made us reset. */
  readonly resetMade: TokenBucket;
  /** Streams opened beyond the limit, or after our GOAWAY. */
  readonly streams: TokenBucket;
  /** PING frames, answers included. */
  readonly ping: TokenBucket;
  /** SETTINGS, their ACKs, and GOAWAY. */
  readonly settings: TokenBucket;
  /** PRIORITY frames and frames of unknown types. */
  readonly priority: TokenBucket;
  /** DATA frames without content that don't end an open stream. */
  readonly emptyData: TokenBucket;
  /** WINDOW_UPDATE frames. */
  readonly windowUpdate: TokenBucket;

  /** Full buckets for the given limits. */
  constructor(options: ResolvedOptions) {
    const resets = () => new TokenBucket(options.maxResetsPerSecond, options.maxResetsBurst);
    const frames = () =>
      new TokenBucket(options.maxControlFramesPerSecond, options.maxControlFramesPerSecond);
    this.reset = resets();
    this.resetMade = resets();
    this.streams = resets();
    this.ping = frames();
    this.settings = frames();
    this.priority = frames();
    this.emptyData = frames();
    this.windowUpdate = frames();
  }

  /**
   * Content that we sent. A peer answers it with WINDOW_UPDATE, and gRPC ones with a PING to measure the
   * bandwidth: at full speed many times the plain limit, and no flood. `frames`: those that no window cut short,
   * or a peer could earn each WINDOW_UPDATE by one byte with the one before it (CVE-2019-9511).
   */
  sent(frames: number, bytes: number): void {
    this.windowUpdate.earn(2 * frames + bytes / 256);
    this.ping.earn(frames + bytes / 4_096);
  }

  /** A stream that the peer or we opened: each may bring some PRIORITY and WINDOW_UPDATE frames, and one end. */
  opened(): void {
    this.emptyData.earn(1);
    this.priority.earn(2);
    this.windowUpdate.earn(2);
  }
}
