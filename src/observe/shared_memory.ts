/**
 * The one memory that the main process and all workers share: who is alive, what is open, what was counted.
 *
 * Layout: a header; one total a gauge; then a column a worker (its sequence word, its heartbeat, its share of
 * every gauge, its counters) and one column of the main process's own, which inherits the counters of workers
 * that died. A process can die at any instruction, so nothing in it is ever locked.
 *
 * A gauge's change touches two words, the total and the column's share. The sequence word is odd meanwhile, so
 * that {@linkcode SharedMemory.retire} can tell a moment at which the shares of the living add up.
 *
 * @module
 */

import { COUNTERS, LISTENERS_MAX, reasonCounter, ROUTES_MAX } from "./counters.ts";

const MAGIC = 0x6d637078;
/** Raised with every change of the layout: a worker of another build refuses to map it. */
const LAYOUT_VERSION = 1;
const HEADER_BYTES = 64;
const CONTROL_WORDS = 16;
const SEQUENCE = 0;
const HEARTBEAT = 1;

/** Gauges: all connections, then one a listener slot, then one a route slot. */
const GAUGES = 1 + LISTENERS_MAX + ROUTES_MAX;
const TOTALS_BYTES = align(GAUGES * 4);
const SHARES_OFFSET = CONTROL_WORDS * 4;
const COUNTERS_OFFSET = align(SHARES_OFFSET + GAUGES * 4);
const COLUMN_BYTES = COUNTERS_OFFSET + align(COUNTERS * 8);

/** Attempts of one settling before the caller has to come back later. */
const SETTLE_TRIES = 10_000;

/** The gauge of all open connections. */
export const GAUGE_ALL = 0;

/** The gauge of a listener's open connections. */
export function listenerGauge(slot: number): number {
  return 1 + slot;
}

/** The gauge of a route's open connections. */
export function routeGauge(slot: number): number {
  return 1 + LISTENERS_MAX + slot;
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** Bytes of shared memory for that many workers. Sparse: what nobody touches costs nothing. */
export function sharedMemoryBytes(workers: number): number {
  return HEADER_BYTES + TOTALS_BYTES + (workers + 1) * COLUMN_BYTES;
}

/** One process's own column: the only part that it writes, besides the totals. */
export class Column {
  readonly #totals: Int32Array;
  readonly #control: Int32Array;
  readonly #shares: Int32Array;
  readonly #counters: Float64Array;

  /**
   * A view; nothing is written.
   *
   * @param memory the whole mapping
   * @param index the column's number: a worker's, or the number of workers for main's own
   */
  constructor(memory: ArrayBuffer, index: number) {
    const start = HEADER_BYTES + TOTALS_BYTES + index * COLUMN_BYTES;
    this.#totals = new Int32Array(memory, HEADER_BYTES, GAUGES);
    this.#control = new Int32Array(memory, start, CONTROL_WORDS);
    this.#shares = new Int32Array(memory, start + SHARES_OFFSET, GAUGES);
    this.#counters = new Float64Array(memory, start + COUNTERS_OFFSET, COUNTERS);
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

  /** What this column holds of a counter. */
  counted(counter: number): number {
    return this.#counters[counter]!;
  }

  /** Says that this process's event loop still turns. */
  beat(): void {
    Atomics.add(this.#control, HEARTBEAT, 1);
  }

  /** A number that changes with every beat. */
  get heartbeat(): number {
    return Atomics.load(this.#control, HEARTBEAT);
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
  }
}

/** The whole memory as the main process sees it. A worker uses its {@linkcode Column} alone. */
export class SharedMemory {
  /** One a worker. */
  readonly columns: readonly Column[];
  /** The main process's own; it inherits the counters of the dead. */
  readonly main: Column;
  readonly #totals: Int32Array;

  /**
   * Lays the memory out, before any worker maps it.
   *
   * @param memory a zeroed mapping of `sharedMemoryBytes(workers)`
   * @param workers how many columns, besides main's own
   */
  constructor(memory: ArrayBuffer, workers: number) {
    new Int32Array(memory, 0, 3).set([MAGIC, LAYOUT_VERSION, workers]);
    this.#totals = new Int32Array(memory, HEADER_BYTES, GAUGES);
    this.columns = Array.from({ length: workers }, (_, index) => new Column(memory, index));
    this.main = new Column(memory, workers);
  }

  /** Whether a mapping was laid out by this build. */
  static isLaidOut(memory: ArrayBuffer): boolean {
    const [magic, version] = new Int32Array(memory, 0, 3);
    return magic === MAGIC && version === LAYOUT_VERSION;
  }

  /** How many are open over all workers. */
  total(gauge: number): number {
    return Atomics.load(this.#totals, gauge);
  }

  /** A counter over all workers, living and dead. */
  counted(counter: number): number {
    return this.columns.reduce((sum, column) => sum + column.counted(counter), this.main.counted(counter));
  }

  /**
   * Takes a dead worker's column off the totals and hands its counters on; its open connections are counted as
   * `worker_lost`. Between two calls for the same death nobody else may use the column.
   *
   * @returns connections lost by listener slot, or `undefined` when the living were never still long enough and
   * the call has to be repeated
   */
  retire(index: number): Map<number, number> | undefined {
    const dead = this.columns[index]!;
    const living = this.columns.filter((column) => column !== dead);
    for (let gauge = 0; gauge < GAUGES; gauge++) {
      if (!this.#settle(gauge, living)) return undefined;
    }
    const lost = new Map<number, number>();
    for (let slot = 0; slot < LISTENERS_MAX; slot++) {
      const connections = dead.share(listenerGauge(slot));
      if (connections <= 0) continue;
      lost.set(slot, connections);
      this.main.count(reasonCounter(slot, "worker_lost"), connections);
    }
    dead.bequeath(this.main);
    return lost;
  }

  /** Sets a total to what the living hold of it, at a moment at which none of them is changing a gauge. */
  #settle(gauge: number, living: readonly Column[]): boolean {
    for (let attempt = 0; attempt < SETTLE_TRIES; attempt++) {
      const before = living.map((column) => column.sequence);
      if (before.some((sequence) => sequence % 2 !== 0)) continue;
      const total = Atomics.load(this.#totals, gauge);
      const held = living.reduce((sum, column) => sum + column.share(gauge), 0);
      if (living.some((column, position) => column.sequence !== before[position])) continue;
      if (total === held || Atomics.compareExchange(this.#totals, gauge, total, held) === total) return true;
    }
    return false;
  }
}
