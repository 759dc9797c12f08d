/**
 * Rates of new connections by address, exact over all workers: token buckets in shared memory.
 *
 * @module
 */

import { COARSE_BUCKET_FACTOR, isBucketFull, nextBucket } from "../policy/rate_limit.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import {
  ADDRESS_SLOTS,
  ADDRESS_SLOTS_BYTES,
  AddressSlots,
  isCoarseSlot,
  type PrefixScope,
} from "./address_slots.ts";

/** Bytes of the table: keys, then buckets. */
export const RATE_TABLE_BYTES = ADDRESS_SLOTS_BYTES * 2;

/** What bounds a client's new connections. */
export interface RateLimit {
  /** Tokens per second. */
  readonly ratePerSecond: number;
  /** Tokens of a full bucket. */
  readonly burst: number;
}

/** A token in the unit of the buckets' words. */
const TOKEN = nextBucket(0n, 0, 1, 1).word;
/** Attempts to take a token from a slot that others keep taking. */
const TAKE_TRIES = 8;

/** One process's view of the buckets. */
export class RateTable {
  readonly #buckets: BigInt64Array;
  readonly #slots: AddressSlots;
  readonly #now: () => number;
  readonly #onCoarse: () => void;
  #ratePerSecond = 1;

  /**
   * A view; nothing is written.
   *
   * @param memory the whole mapping @param offset where the table stands @param secret of the keys
   * @param now CLOCK_MONOTONIC in ms
   * @param onCoarse called when an address has no room of its own and its neighbourhood's bucket decides
   */
  constructor(
    memory: ArrayBuffer,
    offset: number,
    secret: Uint32Array,
    now: () => number,
    onCoarse: () => void,
  ) {
    this.#buckets = new BigInt64Array(memory, offset + ADDRESS_SLOTS_BYTES, ADDRESS_SLOTS);
    this.#now = now;
    this.#onCoarse = onCoarse;
    this.#slots = new AddressSlots(memory, offset, secret, (slot) => this.#isFull(slot));
  }

  /**
   * Takes a token of an address's bucket. IPv6 has two: its /64's, and its /48's, which is 16 times larger; who
   * gets none of the second keeps that of the first. An address without room in the table has its /48's or /24's
   * alone; without room for that one, too, it passes.
   *
   * @param limit the same in all calls of all processes
   */
  take(address: IpAddress, limit: RateLimit): boolean {
    this.#ratePerSecond = limit.ratePerSecond;
    const own = this.#takeOf(address, "own", limit);
    if (own === "empty") return false;
    if (own === "no_room") this.#onCoarse();
    else if (address.family === 4) return true;
    const { ratePerSecond, burst } = limit;
    const wide = { ratePerSecond: ratePerSecond * COARSE_BUCKET_FACTOR, burst: burst * COARSE_BUCKET_FACTOR };
    if (this.#takeOf(address, "coarse", wide) !== "empty") return true;
    if (own !== "no_room") this.#giveBack(own);
    return false;
  }

  /** Whether `take` would find a token now, while the table has room; takes none. */
  hasToken(address: IpAddress, { ratePerSecond, burst }: RateLimit): boolean {
    const holds = (scope: PrefixScope, factor: number): boolean => {
      const slot = this.#slots.find(address, scope);
      if (slot === undefined) return true;
      const word = Atomics.load(this.#buckets, slot);
      return nextBucket(word, this.#now(), ratePerSecond * factor, burst * factor).granted;
    };
    return holds("own", 1) && (address.family === 4 || holds("coarse", COARSE_BUCKET_FACTOR));
  }

  /** @returns the slot that a token was taken of, or why none was */
  #takeOf(address: IpAddress, scope: PrefixScope, limit: RateLimit): number | "empty" | "no_room" {
    for (let attempt = 0; attempt < TAKE_TRIES; attempt++) {
      const slot = this.#slots.slotOf(address, scope);
      if (slot === undefined) return "no_room";
      const granted = this.#takeFrom(slot, limit);
      // Between the two steps the slot may have been given to another address.
      if (this.#slots.holds(slot, address, scope)) return granted ? slot : "empty";
      if (granted) this.#giveBack(slot);
    }
    return "no_room";
  }

  #takeFrom(slot: number, { ratePerSecond, burst }: RateLimit): boolean {
    for (;;) {
      const word = Atomics.load(this.#buckets, slot);
      const step = nextBucket(word, this.#now(), ratePerSecond, burst);
      if (!step.granted) return false;
      if (Atomics.compareExchange(this.#buckets, slot, word, step.word) === word) return true;
    }
  }

  #giveBack(slot: number): void {
    Atomics.sub(this.#buckets, slot, TOKEN);
  }

  /** A full bucket says nothing that an empty slot doesn't. */
  #isFull(slot: number): boolean {
    const ratePerSecond = isCoarseSlot(slot)
      ? this.#ratePerSecond * COARSE_BUCKET_FACTOR
      : this.#ratePerSecond;
    return isBucketFull(Atomics.load(this.#buckets, slot), this.#now(), ratePerSecond);
  }
}
