/**
 * One of several processes that use the tables of one memory at once: `claims_child.ts KIND FD BYTES INDEX
 * COUNT`. Says `ready`, begins when a byte comes on standard input, and prints its figures as one line of JSON.
 *
 * @module
 */

import { Column } from "../../src/observe/column.ts";
import { AddressSlots, isCoarseSlot } from "../../src/observe/address_slots.ts";
import {
  ADDRESS_GAUGES,
  ADDRESS_KEYS_OFFSET,
  GAUGE_NONE,
  rateTableOf,
  secretOf,
  totalsOf,
} from "../../src/observe/memory_layout.ts";
import type { IpAddress } from "../../src/policy/ip_address.ts";
import { loadNative, mapMemoryFile } from "../../src/net/native.ts";
import { print } from "../support/print.ts";
import { addressesOfOneSet, ipv4, ipv6, WAYS } from "./addresses.ts";

/** What the children do. */
export type ClaimsKind = "tokens" | "strangers" | "slots" | "handover";

/** Addresses that all children fight for. */
export const CONTESTED = 8;
/** Tokens of each of them. */
export const CONTESTED_BURST = 20_000;
/** Most connections of an address at once. */
export const SLOTS_LIMIT = 3;

/** Grants by address; the clock stands still, so that nothing is refilled. */
function take(memory: ArrayBuffer, addresses: number, attempts: number, burst: number): number[] {
  const rates = rateTableOf(memory, () => 1_000, () => {
    throw new Error("no room");
  });
  const granted = new Array<number>(addresses).fill(0);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const number = attempt % addresses;
    if (rates.take(ipv4(number), { ratePerSecond: 1, burst })) granted[number]!++;
  }
  return granted;
}

/** Acquires and releases in changing order; the first figure is how often a limit was seen broken. */
function hold(memory: ArrayBuffer, index: number, count: number, rounds: number): number[] {
  const column = new Column(memory, index);
  const totals = totalsOf(memory);
  const held: number[] = [];
  let broken = 0;
  let random = index + 1;
  for (let round = 0; round < rounds; round++) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    const gauge = column.acquireAddress(ipv6((random >>> 8) % count), SLOTS_LIMIT);
    if (gauge !== undefined) {
      held.push(gauge);
      const open = Atomics.load(totals, gauge);
      if (gauge < ADDRESS_GAUGES || open < 1 || open > SLOTS_LIMIT) broken++;
    }
    if (held.length > 20) column.release(held.splice(random % held.length, 1)[0]!);
  }
  for (const gauge of held) column.release(gauge);
  return [broken];
}

/**
 * Fights with others for the eight slots of one set, each address allowed one connection. The first figure is how often
 * a slot was another address's when its connection ended, the second how many slots were had.
 */
function handOver(memory: ArrayBuffer, index: number, rounds: number): number[] {
  const column = new Column(memory, index);
  const slots = new AddressSlots(memory, ADDRESS_KEYS_OFFSET, secretOf(memory), () => false);
  const addresses = addressesOfOneSet(3 * WAYS, "own", ipv4);
  let [lost, had] = [0, 0];
  let random = index + 1;
  let held: readonly [address: IpAddress, gauge: number] | undefined;
  for (let round = 0; round < rounds; round++) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    const address = addresses[(random >>> 8) % addresses.length]!;
    const gauge = column.acquireAddress(address, 1);
    if (gauge === undefined || gauge === GAUGE_NONE) continue;
    if (isCoarseSlot(gauge - ADDRESS_GAUGES)) {
      column.release(gauge);
      continue;
    }
    had++;
    if (held !== undefined) {
      if (!slots.holds(held[1] - ADDRESS_GAUGES, held[0], "own")) lost++;
      column.release(held[1]);
    }
    held = [address, gauge];
  }
  if (held !== undefined) column.release(held[1]);
  return [lost, had];
}

async function main([kind, fd, bytes, index, count]: string[]): Promise<void> {
  loadNative();
  const memory = mapMemoryFile(Number(fd), Number(bytes));
  print("ready");
  await Deno.stdin.read(new Uint8Array(1));
  const work: Record<ClaimsKind, () => number[]> = {
    tokens: () => take(memory, CONTESTED, Number(count), CONTESTED_BURST),
    strangers: () => take(memory, Number(count), Number(count), 1),
    handover: () => handOver(memory, Number(index), Number(count)),
    slots: () => hold(memory, Number(index), 200, Number(count)),
  };
  print(JSON.stringify(work[kind as ClaimsKind]()));
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
