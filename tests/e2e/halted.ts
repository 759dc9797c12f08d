/**
 * Waiting for a server that was started with `--testing-only-halt-at` and stands still there.
 *
 * @module
 */

import type { Program } from "../support/program.ts";
import { eventually } from "./eventually.ts";

/** Waits until the program has stopped itself. A SIGCONT that comes before that is lost. */
export async function halted(program: Program): Promise<void> {
  await program.event(({ event }) => event === "halted", 30_000);
  await eventually("a process that stands still", async () => {
    return / T /.test((await Deno.readTextFile(`/proc/${program.pid}/stat`)).replace(/.*\)/, ""));
  });
}
