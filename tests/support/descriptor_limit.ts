/**
 * RLIMIT_NOFILE of a running process, by prlimit(1).
 *
 * @module
 */

import assert from "node:assert/strict";
import { descriptors } from "./processes.ts";

/** The number that the next descriptor of a process would get. */
export function lowestFree(pid: number): number {
  const held = descriptors(pid);
  let number = 0;
  while (held.has(number)) number++;
  return number;
}

/** Changes the soft limit of a running process. */
export async function limitDescriptors(pid: number, limit: number): Promise<void> {
  const { success } = await new Deno.Command("prlimit", { args: [`--pid=${pid}`, `--nofile=${limit}:`] })
    .output();
  assert.ok(success);
}
