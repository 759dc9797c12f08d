/**
 * The known word nearest to a mistyped one.
 *
 * @module
 */

/** Longer words are not compared: no known key comes near. */
const LENGTH_MAX = 64;

/**
 * The candidate that the writer most likely meant: at most a third of its letters differ, and of two equally near
 * the first.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(nearest("idle_timout", ["idle_timeout", "workers"]), "idle_timeout");
 * assert.equal(nearest("colour", ["idle_timeout", "workers"]), undefined);
 * ```
 *
 * @param word as written
 * @param candidates the known words
 * @returns undefined when none is near
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > LENGTH_MAX) return undefined;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate);
    if (distance > Math.max(1, Math.floor(candidate.length / 3))) continue;
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Letters to insert, delete or replace until one word is the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
