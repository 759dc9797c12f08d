/**
 * A fixed-size table in shared memory that gives addresses a slot: eight-way sets, found in O(1), changed by
 * compare-and-swap alone. What stands in a slot (a bucket, a gauge) is its owner's.
 *
 * Keys are permuted with a secret of this start, so that nobody outside can aim at a set. A permutation has no
 * collisions: two addresses never share a slot.
 *
 * @module
 */

import { COUNTED_PREFIXES, prefixKey } from "../policy/cidr.ts";
import type { IpAddress } from "../policy/ip_address.ts";

const WAYS = 8;
/** Slots for own prefixes (/32, /64), and after them slots for neighbourhoods (/24, /48). */
const OWN_SLOTS = 131_072;
const COARSE_SLOTS = 16_384;
/** Slots of one table. */
export const ADDRESS_SLOTS: number = OWN_SLOTS + COARSE_SLOTS;
/** Bytes of one table. */
export const ADDRESS_SLOTS_BYTES = ADDRESS_SLOTS * 8;
/** Words of the secret. */
export const SECRET_WORDS = 4;
/** Attempts before a table that others keep changing counts as full. */
const CLAIM_TRIES = 8;
/** Takes the place of the upper half of a key for IPv4; no IPv6 client has such an address. */
const IPV4_HALF = 0xffffffff;

/** Whether a slot is a neighbourhood's. */
export function isCoarseSlot(slot: number): boolean {
  return slot >= OWN_SLOTS;
}

/** Which of an address's two prefixes is meant. */
export type PrefixScope = "own" | "coarse";

/** A table of slots by address. */
export class AddressSlots {
  readonly #halves: Uint32Array;
  readonly #keys: BigUint64Array;
  readonly #secret: Uint32Array;
  readonly #isFree: (slot: number) => boolean;

  /**
   * A view; nothing is written.
   *
   * @param memory the whole mapping
   * @param offset where the table stands in it, a multiple of 8
   * @param secret the same for all processes
   * @param isFree whether a slot's content says nothing any more, so that it may be given away
   */
  constructor(memory: ArrayBuffer, offset: number, secret: Uint32Array, isFree: (slot: number) => boolean) {
    this.#halves = new Uint32Array(memory, offset, ADDRESS_SLOTS * 2);
    this.#keys = new BigUint64Array(memory, offset, ADDRESS_SLOTS);
    this.#secret = secret;
    this.#isFree = isFree;
  }

  /**
   * The slot of an address's prefix; a free one of its set is claimed for it when it has none.
   *
   * @returns `undefined` when all slots of its set are live
   */
  slotOf(address: IpAddress, scope: PrefixScope): number | undefined {
    const [high, low] = this.#permuted(address, scope);
    const first = firstOfSet(low, scope);
    for (let attempt = 0; attempt < CLAIM_TRIES; attempt++) {
      const found = this.#find(first, high, low);
      if (found !== undefined) return found;
      const free = this.#firstFree(first);
      if (free === undefined) return undefined;
      const previous = Atomics.load(this.#keys, free);
      const key = (BigInt(high) << 32n) | BigInt(low);
      if (!this.#isFree(free) || Atomics.compareExchange(this.#keys, free, previous, key) !== previous) {
        continue;
      }
      // Another process may have claimed another slot for the same key at the same moment. Who sees both yields; if
      // both do, neither slot holds the key, and both come again.
      const other = this.#find(first, high, low, free);
      if (other === undefined) return free;
      Atomics.compareExchange(this.#keys, free, key, 0n);
      return other;
    }
    return undefined;
  }

  /** The slot that an address's prefix has now; nothing is claimed. */
  find(address: IpAddress, scope: PrefixScope): number | undefined {
    const [high, low] = this.#permuted(address, scope);
    return this.#find(firstOfSet(low, scope), high, low);
  }

  /** Whether a slot still is that address's; it may be given away between two steps of its user. */
  holds(slot: number, address: IpAddress, scope: PrefixScope): boolean {
    const [high, low] = this.#permuted(address, scope);
    return this.#halves[slot * 2] === low && this.#halves[slot * 2 + 1] === high;
  }

  #find(first: number, high: number, low: number, besides?: number): number | undefined {
    const halves = this.#halves;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (slot !== besides && halves[slot * 2] === low && halves[slot * 2 + 1] === high) return slot;
    }
    return undefined;
  }

  #firstFree(first: number): number | undefined {
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#isFree(slot)) return slot;
    }
    return undefined;
  }

  /** Four Feistel rounds: a keyed permutation of 64 bits. */
  #permuted(address: IpAddress, scope: PrefixScope): [high: number, low: number] {
    const { high, low } = prefixKey(address, COUNTED_PREFIXES[address.family][scope]);
    let [left, right] = address.family === 4 ? [IPV4_HALF, high] : [high, low];
    for (const word of this.#secret) {
      [left, right] = [right, (left ^ mixed(right ^ word)) >>> 0];
    }
    // An unused slot is 0.
    return left === 0 && right === 0 ? [0, 1] : [left, right];
  }
}

function firstOfSet(low: number, scope: PrefixScope): number {
  if (scope === "own") return (low % (OWN_SLOTS / WAYS)) * WAYS;
  return OWN_SLOTS + (low % (COARSE_SLOTS / WAYS)) * WAYS;
}

/** The finaliser of MurmurHash3. */
function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
