/**
 * Looks at the running program from outside: what its shared memory has counted, and how many network sockets it holds.
 *
 * @module
 */

import { SharedMemory } from "../../src/observe/shared_memory.ts";
import { descriptors } from "../support/processes.ts";

/** A copy of the memory as it is now, through the main process's descriptor of it. */
export function sharedMemoryOf(pid: number, workers: number): SharedMemory {
  for (const [fd, target] of descriptors(pid)) {
    if (target !== "/memfd:mc-proxy (deleted)") continue;
    return new SharedMemory(Deno.readFileSync(`/proc/${pid}/fd/${fd}`).buffer, workers);
  }
  throw new Error(`process ${pid} has no shared memory`);
}

/** Open network sockets of a process. */
export function socketCount(pid: number): number {
  return socketsOf(pid).network.length;
}

/** Open Unix sockets of a process, each counted once: all of them the runtime's own, made when it likes. */
export function unixSocketCount(pid: number): number {
  return new Set(socketsOf(pid).unix).size;
}

function socketsOf(pid: number): { network: string[]; unix: string[] } {
  const table = Deno.readTextFileSync("/proc/net/unix").split("\n");
  const known = new Set(table.map((line) => `socket:[${line.split(/\s+/)[6]}]`));
  const all = [...descriptors(pid).values()].filter((target) => target.startsWith("socket:"));
  return {
    network: all.filter((target) => !known.has(target)),
    unix: all.filter((target) => known.has(target)),
  };
}
