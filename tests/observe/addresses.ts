/**
 * Addresses for tests of the tables by address: many at once, and such that fall into one set.
 *
 * @module
 */

import { ADDRESS_SLOTS_BYTES, AddressSlots, type PrefixScope } from "../../src/observe/address_slots.ts";
import { type IpAddress, ipv4Address, ipv6Address } from "../../src/policy/ip_address.ts";

/** Slots in a set. */
export const WAYS = 8;
/** A secret that makes every run the same. */
export const SECRET: Uint32Array = Uint32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);

/** The IPv4 address with this number: each in a /24 of its own up to 65,536 of them. */
export function ipv4(number: number): IpAddress {
  return ipv4Address(((10 << 24) | ((number & 0xffff) << 8) | (number >>> 16) + 1) >>> 0);
}

/** A host in the /64 with this number, of the /48 with that one. */
export function ipv6(subnet: number, site = 0, host = 1): IpAddress {
  return ipv6Address(0x20010db8 + (site >>> 16), ((site & 0xffff) << 16) | (subnet & 0xffff), 0, host);
}

/** The first `count` addresses of `make` that share a set with each other. */
export function addressesOfOneSet(
  count: number,
  scope: PrefixScope,
  make: (number: number) => IpAddress,
): IpAddress[] {
  const slots = new AddressSlots(new ArrayBuffer(ADDRESS_SLOTS_BYTES), 0, SECRET, () => true);
  const sets = new Map<number, IpAddress[]>();
  for (let number = 0;; number++) {
    const address = make(number);
    const set = Math.floor(slots.slotOf(address, scope)! / WAYS);
    const found = sets.get(set) ?? [];
    if (found.push(address) === count) return found;
    sets.set(set, found);
  }
}
