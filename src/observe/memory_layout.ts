/**
 * Where everything stands in the one memory that the main process and all workers share.
 *
 * A header; one total a gauge; the address tables; then a column a worker (its sequence word, its heartbeat,
 * its lag, its share of every gauge, its counters) and one column of the main process's own. Fixed at start, and sparse: what
 * nobody touches costs nothing.
 *
 * @module
 */

import { ADDRESS_SLOTS, ADDRESS_SLOTS_BYTES, SECRET_WORDS } from "./address_slots.ts";
import { COUNTERS, LISTENERS_MAX, ROUTES_MAX } from "./counters.ts";
import { RATE_TABLE_BYTES, RateTable } from "./rate_table.ts";

const MAGIC = 0x6d637078;
/** Raised with every change of the layout: a worker of another build refuses to map it. */
const LAYOUT_VERSION = 4;
const HEADER_BYTES = 64;
/** Where the secret of the address tables stands in the header, in words. */
const SECRET_OFFSET_WORDS = 4;
const CONTROL_WORDS = 16;

/** No gauge: nothing was counted, and nothing is to be released. */
export const GAUGE_NONE: number = -1;
/** The gauge of all open connections. */
export const GAUGE_ALL = 0;
/** The first gauge of address slots; before it stand those of listener slots and of route slots. */
export const ADDRESS_GAUGES: number = 1 + LISTENERS_MAX + ROUTES_MAX;
/** How many gauges there are. */
export const GAUGES: number = ADDRESS_GAUGES + ADDRESS_SLOTS;

const TOTALS_BYTES = align(GAUGES * 4);
/** Where the keys of the addresses' gauges stand. */
export const ADDRESS_KEYS_OFFSET: number = HEADER_BYTES + TOTALS_BYTES;
const RATE_TABLE_OFFSET = ADDRESS_KEYS_OFFSET + ADDRESS_SLOTS_BYTES;
const COLUMNS_OFFSET = RATE_TABLE_OFFSET + align(RATE_TABLE_BYTES);
const SHARES_OFFSET = CONTROL_WORDS * 4;
const COUNTERS_OFFSET = align(SHARES_OFFSET + GAUGES * 4);
const COLUMN_BYTES = COUNTERS_OFFSET + align(COUNTERS * 8);

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** Bytes of shared memory for that many workers. */
export function sharedMemoryBytes(workers: number): number {
  return COLUMNS_OFFSET + (workers + 1) * COLUMN_BYTES;
}

/** The gauge of a listener's open connections. */
export function listenerGauge(slot: number): number {
  return 1 + slot;
}

/** The gauge of a route's open connections. */
export function routeGauge(slot: number): number {
  return 1 + LISTENERS_MAX + slot;
}

/** Marks a zeroed mapping as laid out by this build. */
export function layOut(memory: ArrayBuffer, secret: Uint32Array): void {
  secretOf(memory).set(secret);
  new Int32Array(memory, 0, 2).set([MAGIC, LAYOUT_VERSION]);
}

/** Whether a mapping was laid out by this build. */
export function isLaidOut(memory: ArrayBuffer): boolean {
  const [magic, version] = new Int32Array(memory, 0, 2);
  return magic === MAGIC && version === LAYOUT_VERSION;
}

/** The secret of the address tables. */
export function secretOf(memory: ArrayBuffer): Uint32Array {
  return new Uint32Array(memory, SECRET_OFFSET_WORDS * 4, SECRET_WORDS);
}

/** One total a gauge. */
export function totalsOf(memory: ArrayBuffer): Int32Array {
  return new Int32Array(memory, HEADER_BYTES, GAUGES);
}

/** The rate buckets: they belong to no process, and the dead leave nothing to settle in them. */
export function rateTableOf(memory: ArrayBuffer, now: () => number, onCoarse: () => void): RateTable {
  return new RateTable(memory, RATE_TABLE_OFFSET, secretOf(memory), now, onCoarse);
}

/** The parts of one column. */
export interface ColumnViews {
  /** Sequence word, heartbeat and lag. */
  readonly control: Int32Array;
  /** Its share of each gauge. */
  readonly shares: Int32Array;
  /** One a counter. */
  readonly counters: Float64Array;
}

/** A column's parts. */
export function columnOf(memory: ArrayBuffer, index: number): ColumnViews {
  const start = COLUMNS_OFFSET + index * COLUMN_BYTES;
  return {
    control: new Int32Array(memory, start, CONTROL_WORDS),
    shares: new Int32Array(memory, start + SHARES_OFFSET, GAUGES),
    counters: new Float64Array(memory, start + COUNTERS_OFFSET, COUNTERS),
  };
}
