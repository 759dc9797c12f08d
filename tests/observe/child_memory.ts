/**
 * A process that uses one column of a shared memory until it is killed or its stdin ends:
 * `child_memory.ts FD BYTES COLUMN LIMIT`. It takes and gives back two gauges as fast as it can, and holds what it
 * has when stdin ends; then it prints its shares.
 */

import { loadNative, mapMemoryFile } from "../../src/net/native.ts";
import { Column } from "../../src/observe/column.ts";
import { listenerGauge } from "../../src/observe/memory_layout.ts";

const [fd, sizeBytes, index, limit] = Deno.args.map(Number);
/** Rounds between two looks at stdin. */
const ROUNDS = 2_000;

async function hammer(): Promise<void> {
  loadNative();
  const column = new Column(mapMemoryFile(fd!, sizeBytes!), index!);
  const gauges = [0, listenerGauge(3)];
  const held = gauges.map(() => 0);
  let isOver = false;
  void (async () => {
    for await (const _ of Deno.stdin.readable);
    isOver = true;
  })();
  print("ready");
  let word = Deno.pid;
  while (!isOver) {
    for (let round = 0; round < ROUNDS; round++) {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
      const which = word >>> 31;
      if (word & 0x4000_0000) {
        if (column.acquire(gauges[which]!, limit!)) held[which]!++;
      } else if (held[which]! > 0) {
        column.release(gauges[which]!);
        held[which]!--;
      }
      column.count(0);
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  print(JSON.stringify({ held, shares: gauges.map((gauge) => column.share(gauge)) }));
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

hammer();
