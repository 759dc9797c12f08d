/**
 * A token bucket in one 64-bit word, for a table in shared memory that several processes change by
 * compare-and-swap.
 *
 * It is the generic cell rate algorithm: the word is the time at which the bucket will be full again. A bucket
 * of `burst` tokens that refills by `rate` tokens per second, evenly, grants exactly the same connections.
 *
 * The word counts in units of 1/rate ms, so that nothing is ever rounded: a millisecond is `rate` units and a
 * token is 1,000. Word 0 is a full bucket at any time. Words are comparable only under one `rate`, which is fixed
 * while the table lives. With the largest rate (16,000,000) the word lasts for 18 years of uptime, so it never
 * wraps.
 *
 * @module
 */

/** A token in units of 1/rate ms. */
const TOKEN_UNITS = 1_000;

/** How much larger the bucket of a neighbourhood (/48, /24) is than a client's own, in rate and in burst. */
export const COARSE_BUCKET_FACTOR = 16;

/** Whether there was a token, and what the table's word becomes; the same word when there was none. */
export interface BucketStep {
  /** Whether the connection has its token. */
  readonly granted: boolean;
  /** To be swapped in for the word that was read; if another process was faster, ask again with its word. */
  readonly word: bigint;
}

/**
 * Takes a token.
 *
 * @param word the bucket's word, 0 for a new bucket
 * @param nowMs CLOCK_MONOTONIC in ms, so that all processes agree; a fraction is cut off. A clock that is behind
 * another process's by a little grants later, never more
 * @param ratePerSecond tokens per second, an integer from 1 to 16,000,000
 * @param burst tokens in a full bucket, an integer from 1 up
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const first = nextBucket(0n, 5_000, 1, 1);
 * assert.equal(first.granted, true);
 * assert.equal(nextBucket(first.word, 5_999, 1, 1).granted, false);
 * assert.equal(nextBucket(first.word, 6_000, 1, 1).granted, true);
 * ```
 */
export function nextBucket(word: bigint, nowMs: number, ratePerSecond: number, burst: number): BucketStep {
  const now = unitsAt(nowMs, ratePerSecond);
  const fullAt = (word > now ? word : now) + BigInt(TOKEN_UNITS);
  if (fullAt - now > BigInt(burst) * BigInt(TOKEN_UNITS)) return { granted: false, word };
  return { granted: true, word: fullAt };
}

/** Whether the bucket is full again: its slot says nothing that an empty one doesn't, and may be given away. */
export function isBucketFull(word: bigint, nowMs: number, ratePerSecond: number): boolean {
  return word <= unitsAt(nowMs, ratePerSecond);
}

/** Tokens in a full bucket: `rateBurst`, or twice the rate where that is 0. */
export function effectiveBurst(rateLimit: number, rateBurst: number): number {
  return rateBurst === 0 ? 2 * rateLimit : rateBurst;
}

function unitsAt(nowMs: number, ratePerSecond: number): bigint {
  return BigInt(Math.floor(nowMs)) * BigInt(ratePerSecond);
}
