/**
 * Durations as operators write them: `"5s"`, `"1m30s"`, `"300s"`, `"1h"`, `"250ms"`.
 *
 * @module
 */

const GRAMMAR = /^(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?$/;
const UNITS_MS = [3_600_000, 60_000, 1_000, 1] as const;
const UNIT_NAMES = ["h", "m", "s", "ms"] as const;

/**
 * Reads a duration: whole numbers with the units `h`, `m`, `s`, `ms`, in that order, each at most once; `"0"` needs
 * no unit.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseDuration("1m30s"), 90_000);
 * assert.equal(parseDuration("90"), undefined);
 * ```
 *
 * @param text without blanks
 * @returns ms, or undefined when the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const match = GRAMMAR.exec(text);
  if (match === null || text === "") return undefined;
  return UNITS_MS.reduce((sum, unitMs, index) => sum + Number(match[index + 1] ?? 0) * unitMs, 0);
}

/**
 * Writes a duration in its shortest form that {@linkcode parseDuration} reads back: `90_000` → `"1m30s"`.
 *
 * @param durationMs whole ms, 0 or more
 * @returns such as `"1h"`; `"0s"` for 0
 */
export function formatDuration(durationMs: number): string {
  let rest = durationMs;
  let text = "";
  for (const [index, unitMs] of UNITS_MS.entries()) {
    const amount = Math.floor(rest / unitMs);
    rest -= amount * unitMs;
    if (amount > 0) text += `${amount}${UNIT_NAMES[index]}`;
  }
  return text === "" ? "0s" : text;
}
