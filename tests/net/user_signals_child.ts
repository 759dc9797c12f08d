/**
 * Started by user_signals_test.ts: a process that ignores SIGUSR1 and SIGUSR2, and sends both to itself.
 *
 * @module
 */

import { loadNative } from "../../src/net/native.ts";
import { ignoreUserSignals } from "../../src/net/user_signals.ts";

/** This file. */
export const CHILD: string = import.meta.filename!;
/** What it prints when it has outlived them. */
export const STILL_HERE = "still here";

async function endure(): Promise<void> {
  loadNative();
  ignoreUserSignals();
  // The runtime looks for signals of its own some half a second after its start.
  for (let round = 0; round < 15; round++) {
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) Deno.kill(Deno.pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await Deno.stdout.write(new TextEncoder().encode(STILL_HERE));
}

if (import.meta.main) void endure();
