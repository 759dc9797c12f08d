/**
 * The files of `src/` that no test of the mirroring folder in `tests/` reaches through their neighbours.
 *
 * @module
 */

/** By file: the test that reaches it, and why its tests belong there. */
export const TESTED_ELSEWHERE: Readonly<Record<string, readonly [test: string, why: string]>> = {};
