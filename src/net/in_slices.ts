/**
 * Running a long computation beside everything else that the event loop does.
 *
 * @module
 */

import type { Sliced } from "../state/slices.ts";

/** What the main process may compute in one turn of its event loop. */
export const SLICE_MS = 10;

/**
 * Lets the event loop run between slices, so that no change holds up connections or calls.
 *
 * @param sliceMs slices that take less together go in one turn, for each turn costs a millisecond; 0 = one slice a turn
 */
export async function inSlices<Result>(computation: Sliced<Result>, sliceMs = 0): Promise<Result> {
  for (let startedMs = performance.now();;) {
    const step = computation.next();
    if (step.done === true) return step.value;
    if (performance.now() - startedMs < sliceMs) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    startedMs = performance.now();
  }
}
