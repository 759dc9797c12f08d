/**
 * Running a long computation beside everything else that the event loop does.
 *
 * @module
 */

import type { Sliced } from "../state/slices.ts";

/** Lets the event loop run between two slices, so that no change holds up connections or calls. */
export async function inSlices<Result>(computation: Sliced<Result>): Promise<Result> {
  for (;;) {
    const step = computation.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
