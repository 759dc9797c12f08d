/**
 * Orders to make a worker fail, read from standard input with `--testing-only-faults` alone.
 *
 * @module
 */

import { readLines } from "../proxy/lines.ts";
import { FAULTS } from "../proxy/messages.ts";
import type { Supervisor } from "./supervisor.ts";

const LINE_BYTES_MAX = 1_024;

/** Obeys lines such as `0 hang`: a worker's number and a fault. Anything else is passed over. */
export async function listenForFaults(supervisor: Supervisor): Promise<void> {
  for await (const line of readLines(Deno.stdin.readable, LINE_BYTES_MAX)) {
    const [worker, name] = line.split(" ");
    const fault = FAULTS.find((known) => known === name);
    if (fault !== undefined) supervisor.send(Number(worker), { type: "fault", fault });
  }
}
