/**
 * What running one set of vectors gave.
 *
 * @module
 */

/** The outcome of one set. */
export interface VectorResult {
  /** The set, and what it was run through: `client_hellos (pure)`. */
  readonly set: string;
  readonly checked: number;
  /** One sentence for each wrong answer, beginning with the vector's name. */
  readonly wrong: readonly string[];
  /** What the reader of the line should know; absent = nothing. */
  readonly note?: string;
}

/** The result as one line: `client_hellos (pure): 3414 checked, 0 wrong`. */
export function describeResult(result: VectorResult): string {
  const note = result.note === undefined ? "" : ` (${result.note})`;
  return `${result.set}: ${result.checked} checked, ${result.wrong.length} wrong${note}`;
}

/** The rows of a file with one JSON value a line. */
export function parseJsonLines<Row>(text: string): Row[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Row);
}
