/**
 * One process's own part of the shared memory.
 *
 * A gauge's change touches two words, the total and the column's share. The sequence word is odd meanwhile, so that
 * after a death a moment can be told at which the shares of the living add up. Nothing is ever locked: a process
 * can die at any instruction.
 *
 * @module
 */

import type { IpAddress } from "../policy/ip_address.ts";
import { COARSE_BUCKET_FACTOR } from "../policy/rate_limit.ts";
import { AddressSlots, type PrefixScope } from "./address_slots.ts";
import { COUNTERS, type Phase, phaseBucket, phaseSum } from "./counters.ts";
import {
  ADDRESS_GAUGES,
  ADDRESS_KEYS_OFFSET,
  columnOf,
  GAUGE_NONE,
  secretOf,
  totalsOf,
} from "./memory_layout.ts";

const SEQUENCE = 0;
const HEARTBEAT = 1;
const LAG = 2;
/** Attempts to count an address whose slot others keep taking. */
const ACQUIRE_TRIES = 8;

/** One process's own column: the only part that it writes, besides the totals. */
export class Column {
  readonly #totals: Int32Array;
  readonly #control: Int32Array;
  readonly #shares: Int32Array;
  readonly #counters: Float64Array;
  readonly #addresses: AddressSlots;

  /**
   * A view; nothing is written.
   *
   * @param memory the whole mapping
   * @param index the column's number: a worker's, or the number of workers for main's own
   */
  constructor(memory: ArrayBuffer, index: number) {
    const { control, shares, counters } = columnOf(memory, index);
    this.#totals = totalsOf(memory);
    this.#control = control;
    this.#shares = shares;
    this.#counters = counters;
    this.#addresses = new AddressSlots(
      memory,
      ADDRESS_KEYS_OFFSET,
      secretOf(memory),
      (slot) => Atomics.load(this.#totals, ADDRESS_GAUGES + slot) === 0,
    );
  }

  /**
   * Adds one to an address's gauge (IPv6: its /64's) unless it stands at `limit`. An address without room in the
   * table is counted with its neighbourhood (/24, /48), whose limit is 16 times larger.
   *
   * @param limit at least 1
   * @returns the gauge, for `release`; {@linkcode GAUGE_NONE} when there was no room anywhere and nothing is
   * counted; `undefined` when the address has its limit
   */
  acquireAddress(address: IpAddress, limit: number): number | undefined {
    const own = this.#acquirePrefix(address, "own", limit);
    if (own !== GAUGE_NONE) return own;
    return this.#acquirePrefix(address, "coarse", limit * COARSE_BUCKET_FACTOR);
  }

  #acquirePrefix(address: IpAddress, scope: PrefixScope, limit: number): number | undefined {
    for (let attempt = 0; attempt < ACQUIRE_TRIES; attempt++) {
      const slot = this.#addresses.slotOf(address, scope);
      if (slot === undefined) return GAUGE_NONE;
      const gauge = ADDRESS_GAUGES + slot;
      const isAdded = this.acquire(gauge, limit);
      // Between the two steps the slot may have been given to another address.
      if (this.#addresses.holds(slot, address, scope)) return isAdded ? gauge : undefined;
      if (isAdded) this.release(gauge);
    }
    return GAUGE_NONE;
  }

  /**
   * Adds one to a gauge unless it stands at `limit`, exactly over all processes.
   *
   * @param limit 0 = no limit
   * @returns whether it was added; the caller owes one `release` for each
   */
  acquire(gauge: number, limit: number): boolean {
    Atomics.add(this.#control, SEQUENCE, 1);
    const added = this.#addBelow(gauge, limit);
    if (added) Atomics.add(this.#shares, gauge, 1);
    Atomics.add(this.#control, SEQUENCE, 1);
    return added;
  }

  #addBelow(gauge: number, limit: number): boolean {
    if (limit <= 0) {
      Atomics.add(this.#totals, gauge, 1);
      return true;
    }
    for (;;) {
      const open = Atomics.load(this.#totals, gauge);
      if (open >= limit) return false;
      if (Atomics.compareExchange(this.#totals, gauge, open, open + 1) === open) return true;
    }
  }

  /** Takes back what `acquire` added. */
  release(gauge: number): void {
    Atomics.add(this.#control, SEQUENCE, 1);
    Atomics.sub(this.#totals, gauge, 1);
    Atomics.sub(this.#shares, gauge, 1);
    Atomics.add(this.#control, SEQUENCE, 1);
  }

  /** This process's share of a gauge. */
  share(gauge: number): number {
    return Atomics.load(this.#shares, gauge);
  }

  /** Adds to a counter. */
  count(counter: number, amount = 1): void {
    this.#counters[counter] = this.#counters[counter]! + amount;
  }

  /** Counts how many ms a phase took; absent = the connection didn't come to it. */
  countPhase(phase: Phase, ms: number | undefined): void {
    if (ms === undefined) return;
    this.count(phaseBucket(phase, ms));
    this.count(phaseSum(phase), ms);
  }

  /** What this column holds of a counter. */
  counted(counter: number): number {
    return this.#counters[counter]!;
  }

  /** Sets a counter back. Only while its process doesn't write it. */
  clear(counter: number): void {
    this.#counters[counter] = 0;
  }

  /** Says that this process's event loop still turns. */
  beat(): void {
    Atomics.add(this.#control, HEARTBEAT, 1);
  }

  /** A number that changes with every beat. */
  get heartbeat(): number {
    return Atomics.load(this.#control, HEARTBEAT);
  }

  /** How late this process's event loop was of late, in ms. */
  get lagMs(): number {
    return Atomics.load(this.#control, LAG);
  }

  set lagMs(ms: number) {
    Atomics.store(this.#control, LAG, Math.round(ms));
  }

  /** Odd while a gauge is being changed. */
  get sequence(): number {
    return Atomics.load(this.#control, SEQUENCE);
  }

  /** Empties a dead process's column, giving its counters to `heir`. Its share of the totals is settled by the caller. */
  bequeath(heir: Column): void {
    for (let counter = 0; counter < COUNTERS; counter++) {
      const counted = this.#counters[counter]!;
      if (counted === 0) continue;
      heir.count(counter, counted);
      this.#counters[counter] = 0;
    }
    this.#shares.fill(0);
    Atomics.store(this.#control, SEQUENCE, 0);
    Atomics.store(this.#control, HEARTBEAT, 0);
    this.lagMs = 0;
  }
}
