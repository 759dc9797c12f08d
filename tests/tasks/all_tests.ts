/**
 * `deno task test`: every kind of test, each in its own run with its own permissions.
 *
 * @module
 */

import { runSteps } from "./steps.ts";

const FULL_FACTOR = 20;
const MINUTE_MS = 60_000;

/** The kinds in their order, with the minutes that each may take. */
const KINDS: readonly (readonly [task: string, minutes: number])[] = [
  ["test:pure", 6],
  ["test:io", 6],
  ["test:e2e", 12],
  ["test:doc", 3],
  ["test:tidy", 3],
];

if (import.meta.main) {
  const factor = Deno.env.has("MC_PROXY_TEST_FULL") ? FULL_FACTOR : 1;
  const steps = KINDS.map(([task, minutes]) => ({
    name: task,
    command: [Deno.execPath(), "task", "--quiet", task] as const,
    deadlineMs: minutes * MINUTE_MS * factor,
  }));
  runSteps(steps).then((code) => Deno.exit(code));
}
