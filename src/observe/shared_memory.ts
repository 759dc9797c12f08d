/**
 * The shared memory as the main process sees it: what is open and what was counted, over the living and the dead.
 *
 * @module
 */

import type { IpAddress } from "../policy/ip_address.ts";
import { AddressSlots, SECRET_WORDS } from "./address_slots.ts";
import { Column } from "./column.ts";
import { LISTENERS_MAX, reasonCounter } from "./counters.ts";
import {
  ADDRESS_GAUGES,
  ADDRESS_KEYS_OFFSET,
  GAUGES,
  layOut,
  listenerGauge,
  rateTableOf,
  secretOf,
  totalsOf,
} from "./memory_layout.ts";
import type { RateTable } from "./rate_table.ts";

/** Attempts of one settling before the caller has to come back later. */
const SETTLE_TRIES = 10_000;

/** The whole memory as the main process sees it. A worker uses its {@linkcode Column} alone. */
export class SharedMemory {
  /** One a worker. */
  readonly columns: readonly Column[];
  /** The main process's own; it inherits the counters of the dead. */
  readonly main: Column;
  readonly #memory: ArrayBuffer;
  readonly #totals: Int32Array;
  readonly #addresses: AddressSlots;
  /** Columns of the dead that are not settled yet: an odd word stays odd in them. */
  readonly #unsettled = new Set<Column>();

  /**
   * Lays the memory out, before any worker maps it.
   *
   * @param memory a zeroed mapping of `sharedMemoryBytes(workers)`
   * @param workers how many columns, besides main's own
   * @param secret of the address tables; default random
   */
  constructor(
    memory: ArrayBuffer,
    workers: number,
    secret: Uint32Array = crypto.getRandomValues(new Uint32Array(SECRET_WORDS)),
  ) {
    layOut(memory, secret);
    this.#memory = memory;
    this.#totals = totalsOf(memory);
    // Claims nothing, so it needn't know what is free.
    this.#addresses = new AddressSlots(memory, ADDRESS_KEYS_OFFSET, secretOf(memory), () => false);
    this.columns = Array.from({ length: workers }, (_, index) => new Column(memory, index));
    this.main = new Column(memory, workers);
  }

  /** How many are open over all workers. */
  total(gauge: number): number {
    return Atomics.load(this.#totals, gauge);
  }

  /** How many of an address (IPv6: of its /64) are open and counted; those without room in the table aren't. */
  openOf(address: IpAddress): number {
    const slot = this.#addresses.find(address, "own");
    return slot === undefined ? 0 : this.total(ADDRESS_GAUGES + slot);
  }

  /** The rate buckets, to be looked at. @param now CLOCK_MONOTONIC in ms */
  rates(now: () => number): RateTable {
    return rateTableOf(this.#memory, now, () => {});
  }

  /** A counter over all workers, living and dead. */
  counted(counter: number): number {
    return this.columns.reduce((sum, column) => sum + column.counted(counter), this.main.counted(counter));
  }

  /** Whether no dead worker's column waits for being taken off. */
  get isSettled(): boolean {
    return this.#unsettled.size === 0;
  }

  /**
   * Sets counters back that nobody writes any more.
   *
   * @param gauge of those whom they count
   * @returns false, and nothing is set back, when the gauge says that some of those are open still
   */
  clear(gauge: number, counters: Iterable<number>): boolean {
    const columns = [...this.columns, this.main];
    if (this.total(gauge) !== 0 || columns.some((column) => column.share(gauge) !== 0)) return false;
    for (const counter of counters) for (const column of columns) column.clear(counter);
    return true;
  }

  /**
   * Takes a dead worker's column off the totals and hands its counters on; its open connections are counted as
   * `worker_lost`. From the first call for a death to the one that succeeds nobody else may use the column.
   *
   * @returns connections lost by listener slot, or `undefined` when the living were never still long enough and
   * the call has to be repeated
   */
  retire(index: number): Map<number, number> | undefined {
    const dead = this.columns[index]!;
    this.#unsettled.add(dead);
    const others = this.columns.filter((column) => column !== dead);
    // Only a change that was under way can have left a total wrong whose share says nothing of it.
    const wasChanging = dead.sequence % 2 !== 0;
    for (let gauge = 0; gauge < GAUGES; gauge++) {
      if (!wasChanging && dead.share(gauge) === 0) continue;
      if (!this.#settle(gauge, others)) return undefined;
    }
    const lost = new Map<number, number>();
    for (let slot = 0; slot < LISTENERS_MAX; slot++) {
      const connections = dead.share(listenerGauge(slot));
      if (connections <= 0) continue;
      lost.set(slot, connections);
      this.main.count(reasonCounter(slot, "worker_lost"), connections);
    }
    dead.bequeath(this.main);
    this.#unsettled.delete(dead);
    return lost;
  }

  /**
   * Sets a total to what the others hold of it, at a moment at which none of the living is changing a gauge. Two may
   * die at once, each amid a change: who waited for the other's word would wait for ever.
   */
  #settle(gauge: number, others: readonly Column[]): boolean {
    const living = others.filter((column) => !this.#unsettled.has(column));
    for (let attempt = 0; attempt < SETTLE_TRIES; attempt++) {
      const before = living.map((column) => column.sequence);
      if (before.some((sequence) => sequence % 2 !== 0)) continue;
      const total = Atomics.load(this.#totals, gauge);
      const held = others.reduce((sum, column) => sum + column.share(gauge), 0);
      if (living.some((column, position) => column.sequence !== before[position])) continue;
      if (total === held || Atomics.compareExchange(this.#totals, gauge, total, held) === total) return true;
    }
    return false;
  }
}
