/**
 * The counters of a running program, read from its shared memory: what it counted, whatever its log says.
 *
 * @module
 */

import { Column } from "../../src/observe/column.ts";
import { LISTENERS_MAX, reasonCounter } from "../../src/observe/counters.ts";
import { GAUGE_ALL, isLaidOut, totalsOf } from "../../src/observe/memory_layout.ts";
import type { Reason } from "../../src/reasons.ts";
import { descriptors } from "../support/processes.ts";
import type { Program } from "../support/program.ts";

/** A copy of the memory at one moment. */
export class SharedCounters {
  readonly #memory: ArrayBuffer;
  readonly #columns: readonly Column[];

  /** Reads it now. @param workers how many the program has */
  constructor(program: Program, workers: number) {
    this.#memory = readMemory(program.pid);
    this.#columns = Array.from({ length: workers + 1 }, (_, index) => new Column(this.#memory, index));
  }

  /** A counter over all workers, living and dead. */
  counted(counter: number): number {
    return this.#columns.reduce((sum, column) => sum + column.counted(counter), 0);
  }

  /** Connections that ended for one of these reasons, over all listeners. One is counted when it holds no slot more. */
  ended(...reasons: readonly Reason[]): number {
    let sum = 0;
    for (let slot = 0; slot < LISTENERS_MAX; slot++) {
      for (const reason of reasons) sum += this.counted(reasonCounter(slot, reason));
    }
    return sum;
  }

  /** Connections open over all workers. */
  get open(): number {
    return totalsOf(this.#memory)[GAUGE_ALL]!;
  }

  /** The sum of all gauges: 0 when every slot was given back. */
  get held(): number {
    return totalsOf(this.#memory).reduce((sum, total) => sum + Math.abs(total), 0);
  }
}

function readMemory(pid: number): ArrayBuffer {
  for (const [fd, target] of descriptors(pid)) {
    if (!target.startsWith("/memfd:mc-proxy")) continue;
    const { buffer } = Deno.readFileSync(`/proc/${pid}/fd/${fd}`);
    if (isLaidOut(buffer)) return buffer;
  }
  throw new Error(`process ${pid} has no shared memory`);
}
