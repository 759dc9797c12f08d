/**
 * Address ranges: CIDR notation, and the prefixes that rates are counted by.
 *
 * @module
 */

import { addressBits, type IpAddress, ipv4Address, ipv6Address, parseIpAddress } from "./ip_address.ts";

/** What is wanted where an address or a range may stand. */
export const ADDRESS_OR_CIDR_WANTED = "an IP address, or a CIDR with host bits zero";

/** A range of addresses: all that share the first `prefixLength` bits of `address`. */
export interface Cidr {
  /** The network address: every bit after the prefix is 0. */
  readonly address: IpAddress;
  /** 0–32 for IPv4, 0–128 for IPv6. */
  readonly prefixLength: number;
  /** Canonical text, such as `10.0.0.0/8` or `2001:db8::/32`. */
  readonly text: string;
}

/**
 * Parses a range, strictly: `address/length`, no zone, no leading zeros, and **host bits zero**. A range with
 * host bits set (`10.1.2.3/8`) is a slip of somebody who meant either one host or another range, so it is
 * refused; {@linkcode parseNetwork} says what the range would be, for the error message.
 *
 * A range inside `::ffff:0:0/96` is IPv4: `::ffff:10.0.0.0/104` is `10.0.0.0/8`. `::/0` is all of IPv6 and
 * none of IPv4.
 *
 * @returns the range, or `undefined` for anything else, a bare address included; never throws
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseCidr("2001:DB8::/32")?.text, "2001:db8::/32");
 * assert.equal(parseCidr("10.1.2.3/8"), undefined);
 * ```
 */
export function parseCidr(text: string): Cidr | undefined {
  const parts = splitPrefix(text);
  return parts === undefined || hasHostBits(parts.address, parts.prefixLength)
    ? undefined
    : rangeOf(parts.address, parts.prefixLength);
}

/** Like {@linkcode parseCidr}, but clears host bits instead of refusing them: `10.1.2.3/8` gives `10.0.0.0/8`. */
export function parseNetwork(text: string): Cidr | undefined {
  const parts = splitPrefix(text);
  return parts === undefined ? undefined : networkOf(parts.address, parts.prefixLength);
}

/** Parses an address or a range; an address is the range of itself alone (`/32`, `/128`). A zone is refused. */
export function parseAddressOrCidr(text: string): Cidr | undefined {
  if (text.includes("/")) return parseCidr(text);
  if (text.includes("%")) return undefined;
  const address = parseIpAddress(text);
  return address === undefined ? undefined : rangeOf(address, addressBits(address.family));
}

function splitPrefix(text: string): { address: IpAddress; prefixLength: number } | undefined {
  const slashAt = text.indexOf("/");
  if (slashAt < 0 || text.includes("%")) return undefined;
  const addressText = text.slice(0, slashAt);
  const address = parseIpAddress(addressText);
  const length = parsePrefixLength(text, slashAt + 1);
  if (address === undefined || length === undefined) return undefined;
  const isMapped = address.family === 4 && addressText.includes(":");
  const prefixLength = length - (isMapped ? 96 : 0);
  if (prefixLength < 0 || prefixLength > addressBits(address.family)) return undefined;
  return { address, prefixLength };
}

/** One to three digits up to the end, without leading zeros. */
function parsePrefixLength(text: string, start: number): number | undefined {
  const digits = text.length - start;
  if (digits < 1 || digits > 3 || (digits > 1 && text[start] === "0")) return undefined;
  let length = 0;
  for (let index = start; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length;
}

function hasHostBits(address: IpAddress, prefixLength: number): boolean {
  return maskWord(address.word0, prefixLength) !== address.word0 ||
    maskWord(address.word1, prefixLength - 32) !== address.word1 ||
    maskWord(address.word2, prefixLength - 64) !== address.word2 ||
    maskWord(address.word3, prefixLength - 96) !== address.word3;
}

function rangeOf(network: IpAddress, prefixLength: number): Cidr {
  return { address: network, prefixLength, text: `${network.text}/${prefixLength}` };
}

/** The range of the given length that an address lies in. `prefixLength` must be legal for its family. */
export function networkOf(address: IpAddress, prefixLength: number): Cidr {
  const network = address.family === 4 ? ipv4Address(maskWord(address.word0, prefixLength)) : ipv6Address(
    maskWord(address.word0, prefixLength),
    maskWord(address.word1, prefixLength - 32),
    maskWord(address.word2, prefixLength - 64),
    maskWord(address.word3, prefixLength - 96),
  );
  return rangeOf(network, prefixLength);
}

/** Whether an address lies in a range; never across families. */
export function contains(range: Cidr, address: IpAddress): boolean {
  return range.address.family === address.family &&
    networkOf(address, range.prefixLength).address.text === range.address.text;
}

/** The first `bits` bits of a word, the rest 0; all of it from 32 up, none of it from 0 down. */
export function maskWord(word: number, bits: number): number {
  if (bits >= 32) return word;
  return bits <= 0 ? 0 : (word & (0xffffffff << (32 - bits))) >>> 0;
}

/** Prefix lengths by which rates and connections are counted: `own` per client, `coarse` for its neighbourhood. */
export const COUNTED_PREFIXES = {
  4: { own: 32, coarse: 24 },
  6: { own: 64, coarse: 48 },
} as const;

/** A prefix of at most 64 bits as a key of three integers, for a fixed-size table. */
export interface PrefixKey {
  /** family × 256 + prefix length: never 0, so 0 can mark an empty slot; differs between /48 and /64. */
  readonly kind: number;
  /** Bits 0–31, unsigned. */
  readonly high: number;
  /** Bits 32–63, unsigned; 0 for IPv4. */
  readonly low: number;
}

/** The key of the prefix that an address lies in. `prefixLength`: at most 32 for IPv4, 64 for IPv6. */
export function prefixKey(address: IpAddress, prefixLength: number): PrefixKey {
  return {
    kind: address.family * 256 + prefixLength,
    high: maskWord(address.word0, prefixLength),
    low: maskWord(address.word1, prefixLength - 32),
  };
}
