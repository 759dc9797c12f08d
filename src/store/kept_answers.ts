/**
 * The first answers to calls that came with an idempotency key.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";

/** How long an answer is kept. */
export const ANSWER_KEPT_MS = 24 * 60 * 60 * 1_000;
/** Most answers that are kept; beyond it the oldest go. */
export const ANSWERS_KEPT = 10_000;
/** Most bytes of them, likewise: the answer to an Apply is as long as its changes. */
export const ANSWERS_BYTES_KEPT = 64 * 1024 * 1024;
/** Shorter answers needn't be added up: so many of them together have no more. */
const SMALL_BYTES = ANSWERS_BYTES_KEPT / ANSWERS_KEPT;

/** An answer and the call that it was given to. */
export interface KeptAnswer {
  /** Whose key it is: two authors may choose the same. */
  readonly author: string;
  /** As the caller chose it. */
  readonly key: string;
  /** Tells the call's method and request apart from any other. */
  readonly callDigest: string;
  /** The encoded answer. */
  readonly answer: Uint8Array;
  /** When it was given, Unix ms. */
  readonly timeMs: number;
}

/** The answer kept for an author's key; absent = none, or it is too old. */
export function readAnswer(
  database: DatabaseSync,
  author: string,
  key: string,
  nowMs: number,
): Pick<KeptAnswer, "callDigest" | "answer"> | undefined {
  const row = database.prepare(
    "SELECT call_digest, answer FROM kept_answers WHERE author = ? AND idempotency_key = ? AND time_ms > ?",
  ).get(author, key, nowMs - ANSWER_KEPT_MS);
  if (row === undefined || !(row["answer"] instanceof Uint8Array)) return undefined;
  return { callDigest: String(row["call_digest"]), answer: row["answer"] };
}

/** Keeps an answer, in the place of one with the same key, and lets go of the oldest ones. */
export function keepAnswer(database: DatabaseSync, kept: KeptAnswer): void {
  const { author, key, callDigest, answer, timeMs } = kept;
  database.prepare("DELETE FROM kept_answers WHERE time_ms <= ?").run(timeMs - ANSWER_KEPT_MS);
  // An answer that is written again keeps its number: numbers without gaps are what counts them.
  database.prepare(
    "INSERT INTO kept_answers (author, idempotency_key, call_digest, answer, time_ms) VALUES (?, ?, ?, ?, ?) " +
      "ON CONFLICT (author, idempotency_key) DO UPDATE SET " +
      "call_digest = excluded.call_digest, answer = excluded.answer, time_ms = excluded.time_ms",
  ).run(author, key, callDigest, answer, timeMs);
  database.prepare("DELETE FROM kept_answers WHERE number <= (SELECT max(number) FROM kept_answers) - ?")
    .run(ANSWERS_KEPT);
  if (answer.length > SMALL_BYTES) removeBeyond(database, ANSWERS_BYTES_KEPT);
}

/** Lets go of the oldest answers until the rest has at most so many bytes; the newest stays whatever its size. */
function removeBeyond(database: DatabaseSync, bytesMax: number): void {
  database.prepare(
    "DELETE FROM kept_answers WHERE number < (SELECT max(number) FROM kept_answers) AND number IN (" +
      "SELECT number FROM (SELECT number, sum(length(answer)) OVER (ORDER BY number DESC) AS bytes " +
      "FROM kept_answers) WHERE bytes > ?)",
  ).run(bytesMax);
}
