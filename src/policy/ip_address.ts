/**
 * An IP address as the firewall sees it: canonical text for people, words for arithmetic.
 *
 * @module
 */

import { formatIpBytes, parseIpBytes } from "../wire/ip_bytes.ts";

const DOT = 0x2e;
const ZERO = 0x30;
const IPV4_CHARACTERS_MAX = 15;

/**
 * An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) doesn't exist here: it is IPv4.
 * A zone (`%eth0`) doesn't either: it names an interface, not an address.
 *
 * Words are the address in network byte order, as unsigned 32-bit integers. IPv4 has one, `word0`; its other
 * three are 0. The field layout is fixed so that all addresses share one shape.
 */
export interface IpAddress {
  /** 4 or 6. */
  readonly family: 4 | 6;
  /** Canonical text: dotted quad, or RFC 5952 without zone and without embedded IPv4. */
  readonly text: string;
  /** Bits 0–31, the most significant. */
  readonly word0: number;
  /** Bits 32–63. */
  readonly word1: number;
  /** Bits 64–95. */
  readonly word2: number;
  /** Bits 96–127. */
  readonly word3: number;
}

/** Length of an address of a family in bits. */
export function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Parses an address, strictly: IPv4 is four decimal numbers without leading zeros (`010.0.0.1`, `127.1` and
 * `0x7f000001` mean different things to different programs, so they mean nothing here); IPv6 is RFC 4291 §2.2,
 * with an embedded IPv4 tail where RFC 4291 allows one.
 *
 * A zone is accepted on a link-local address (RFC 4007 §11) and dropped, because that is how a peer's address
 * can be spelled. Configuration doesn't use it: {@linkcode parseCidr} refuses a zone.
 *
 * @param text the address without brackets
 * @returns the address, or `undefined` for anything else; never throws
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseIpAddress("2001:DB8:0:0::1")?.text, "2001:db8::1");
 * assert.equal(parseIpAddress("::ffff:192.0.2.1")?.family, 4);
 * assert.equal(parseIpAddress("192.0.2.010"), undefined);
 * ```
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  const word = parseIpv4Word(text);
  // Strict text is canonical text: no second string is made on the per-connection path.
  if (word !== undefined) return { family: 4, text, word0: word, word1: 0, word2: 0, word3: 0 };

  const zoneAt = text.indexOf("%");
  if (zoneAt < 0) return parseIpv6(text);
  if (zoneAt === text.length - 1) return undefined;
  const address = parseIpv6(text.slice(0, zoneAt));
  return address !== undefined && address.family === 6 && isLinkLocalIpv6(address) ? address : undefined;
}

/** The IPv4 address of one unsigned 32-bit word. */
export function ipv4Address(word: number): IpAddress {
  const text = `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  return { family: 4, text, word0: word >>> 0, word1: 0, word2: 0, word3: 0 };
}

/** The address of four words, network order: IPv4 when they spell an IPv4-mapped address (RFC 4291 §2.5.5.2). */
export function ipv6Address(word0: number, word1: number, word2: number, word3: number): IpAddress {
  if (word0 === 0 && word1 === 0 && word2 === 0xffff) return ipv4Address(word3);
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setUint32(0, word0);
  bytes.setUint32(4, word1);
  bytes.setUint32(8, word2);
  bytes.setUint32(12, word3);
  return { family: 6, text: formatIpBytes(new Uint8Array(bytes.buffer)), word0, word1, word2, word3 };
}

function parseIpv6(text: string): IpAddress | undefined {
  const bytes = text.includes(":") ? parseIpBytes(text) : undefined;
  if (bytes === undefined) return undefined;
  const words = new DataView(bytes.buffer);
  return ipv6Address(words.getUint32(0), words.getUint32(4), words.getUint32(8), words.getUint32(12));
}

/** A strict dotted quad as an unsigned 32-bit integer: in one pass, because most connections' addresses are one. */
function parseIpv4Word(text: string): number | undefined {
  if (text.length > IPV4_CHARACTERS_MAX) return undefined;
  let word = 0;
  let octet = -1; // -1: no digit yet
  let octets = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (octet < 0 || octets === 3) return undefined;
      word = word * 256 + octet;
      octets++;
      octet = -1;
    } else if (code >= ZERO && code <= ZERO + 9) {
      if (octet === 0) return undefined; // a leading zero
      octet = (octet < 0 ? 0 : octet * 10) + code - ZERO;
      if (octet > 255) return undefined;
    } else {
      return undefined;
    }
  }
  return octets === 3 && octet >= 0 ? word * 256 + octet : undefined;
}

function isLinkLocalIpv6(address: IpAddress): boolean {
  return (address.word0 >>> 22) === 0x3fa; // fe80::/10
}

/**
 * Whether an address belongs to nobody in particular, so that a country database can't know it and it is never
 * "unknown country": private (RFC 1918, 10/8, 172.16/12, 192.168/16), shared (RFC 6598, 100.64/10), loopback
 * (127/8, ::1), link-local (169.254/16, fe80::/10), unique local (RFC 4193, fc00::/7).
 */
export function isPrivate(address: IpAddress): boolean {
  const word = address.word0;
  if (address.family === 6) {
    return (word >>> 25) === 0x7e || isLinkLocalIpv6(address) ||
      (word === 0 && address.word1 === 0 && address.word2 === 0 && address.word3 === 1);
  }
  const octet = word >>> 24;
  return octet === 10 || octet === 127 || (word >>> 20) === 0xac1 || (word >>> 16) === 0xc0a8 ||
    (word >>> 16) === 0xa9fe || (word >>> 22) === 0x191;
}
