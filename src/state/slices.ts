/**
 * Long computations in slices: a generator that yields after each bounded amount of work, so that its caller can
 * let the event loop run in between.
 *
 * @module
 */

/**
 * Most units of work between two yields; a unit is one rule, route or listener looked at, some microseconds at
 * worst. 500 stay well under the 5 ms for which a change may hold a worker's event loop.
 */
export const SLICE_UNITS_MAX = 500;

/** A computation of a `Result` that yields the units of work done since its last yield. */
export type Sliced<Result> = Generator<number, Result, void>;

/** Runs a sliced computation without a pause. For the start, for tools and tests. */
export function runToEnd<Result>(computation: Sliced<Result>): Result {
  for (;;) {
    const step = computation.next();
    if (step.done === true) return step.value;
  }
}
