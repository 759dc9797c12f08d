/**
 * Which of the connections that were kept out get a line of the log. A storm must not become a storm of lines;
 * the counters are exact all the same.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";

/** Lines a second and reason, in each worker. */
const LINES_PER_SECOND = 20;

/** An earlier second than the last one is a connection that took longer; one this much earlier, a clock set back. */
const SET_BACK_SECONDS = 60;

/** Reasons that a client can cause without end. */
const SAMPLED: ReadonlySet<Reason> = new Set([
  "blocked_ip",
  "blocked_cidr",
  "blocked_country",
  "rate_limited",
  "over_limit",
  "proxy_untrusted",
]);

/** What was said and left out of one reason in this second. */
interface Tally {
  second: number;
  said: number;
  unlogged: number;
}

/** Samples events of one worker. */
export class BlockSampler {
  readonly #tallies = new Map<Reason, Tally>();

  /**
   * Whether an event is to be told.
   *
   * @param nowMs Unix time of the connection's accept
   * @returns how many like it were left out since the last one told; `undefined` = leave this one out, too
   */
  sample(reason: Reason, nowMs: number): number | undefined {
    if (!SAMPLED.has(reason)) return 0;
    const second = Math.floor(nowMs / 1_000);
    const tally = this.#tallies.get(reason) ?? { second, said: 0, unlogged: 0 };
    this.#tallies.set(reason, tally);
    // Connections of two seconds may end in turn: going back and forth must not bring new lines each time.
    if (second > tally.second || second < tally.second - SET_BACK_SECONDS) {
      tally.second = second;
      tally.said = 0;
    }
    if (tally.said >= LINES_PER_SECOND) {
      tally.unlogged++;
      return undefined;
    }
    tally.said++;
    const { unlogged } = tally;
    tally.unlogged = 0;
    return unlogged;
  }

  /** What was left out and told by no later event, by reason; it counts as told from then on. */
  *rest(): Generator<[reason: Reason, unlogged: number]> {
    for (const [reason, tally] of this.#tallies) {
      if (tally.unlogged > 0) yield [reason, tally.unlogged];
      tally.unlogged = 0;
    }
  }
}
