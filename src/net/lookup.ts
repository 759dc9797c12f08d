/**
 * The addresses of names, by the system's resolver.
 *
 * @module
 */

import { lookup } from "node:dns/promises";

/** Addresses of one name that are told. */
const ADDRESSES_MAX = 16;
/**
 * Lookups at once. getaddrinfo(3) blocks a thread, for 10 s and more where a name server is silent, and the runtime has
 * 32 threads for all that blocks, among them each line that a worker writes to main.
 */
const LOOKUPS_MAX = 24;

/** By name: what is being asked for, or waits for its turn. */
const running = new Map<string, Promise<readonly string[]>>();
const waiting: (() => void)[] = [];
let lookups = 0;

/**
 * The addresses of a name, in the resolver's order. Nothing is kept: who asks while the same name is being asked for
 * gets that answer, so that one silent name server costs one thread and not one for each connection.
 *
 * @returns none when the name has none or can't be resolved; never throws
 */
export function addressesOf(name: string): Promise<readonly string[]> {
  let answer = running.get(name);
  if (answer === undefined) {
    answer = ask(name).finally(() => running.delete(name));
    running.set(name, answer);
  }
  return answer;
}

async function ask(name: string): Promise<readonly string[]> {
  if (lookups >= LOOKUPS_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
  else lookups++;
  try {
    const found = await lookup(name, { all: true });
    return found.slice(0, ADDRESSES_MAX).map(({ address }) => address);
  } catch {
    return [];
  } finally {
    // Whoever waits takes the place over.
    const next = waiting.shift();
    if (next === undefined) lookups--;
    else next();
  }
}
