/**
 * Keys that are read and checked, but whose feature this version lacks. A feature that arrives deletes its lines.
 *
 * @module
 */

/** One key, or a whole section, without its feature. */
export interface NotYet {
  /** Section and key such as `listeners.routes.mode`, or a section such as `http` for all of its keys. */
  readonly key: string;
  /** `refused`: a mistake unless at its default; `warning`: accepted without effect, and said so. */
  readonly effect: "refused" | "warning";
  /** Why, as one sentence. */
  readonly sentence: string;
}

/** What this version lacks. */
export const NOT_YET: readonly NotYet[] = [];
