/**
 * The files of `src/` that no test of their own folder imports by name.
 *
 * @module
 */

/** By file: the test that reaches it, and why its tests belong there. */
export const TESTED_ELSEWHERE: Readonly<Record<string, readonly [test: string, why: string]>> = {};
