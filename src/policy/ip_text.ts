/**
 * IP addresses as text, by hand: the general library is lenient (octal, hexadecimal, `127.1`) and twenty times
 * slower than a connection can afford.
 *
 * @module
 */

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const IPV4_CHARACTERS_MAX = 15;
const IPV6_CHARACTERS_MAX = 45;

/**
 * Parses a dotted quad of decimal numbers 0–255 without leading zeros.
 * @returns the address as an unsigned 32-bit integer, or `undefined`
 */
export function parseIpv4Word(text: string): number | undefined {
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

/**
 * Parses IPv6 text (RFC 4291 §2.2) without zone or brackets.
 * @returns four unsigned 32-bit integers in network order, or `undefined`
 */
export function parseIpv6Words(text: string): readonly number[] | undefined {
  if (text.length < 2 || text.length > IPV6_CHARACTERS_MAX) return undefined;
  const gapAt = text.indexOf("::");
  if (gapAt < 0) {
    const groups = parseGroups(text, true);
    return groups?.length === 8 ? joinGroups(groups) : undefined;
  }
  // ":::" and a second "::" leave an empty group in one half, which parseGroups refuses.
  const head = gapAt === 0 ? [] : parseGroups(text.slice(0, gapAt), false);
  const tail = gapAt === text.length - 2 ? [] : parseGroups(text.slice(gapAt + 2), true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (missing < 1) return undefined;
  return joinGroups([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** Groups between colons; the last may be a dotted quad, which counts as two. At most 8. */
function parseGroups(text: string, ipv4Tail: boolean): number[] | undefined {
  const groups: number[] = [];
  let start = 0;
  while (start <= text.length) {
    let end = text.indexOf(":", start);
    if (end < 0) end = text.length;
    const group = parseGroup(text, start, end);
    if (group !== undefined) {
      groups.push(group);
    } else {
      const word = ipv4Tail && end === text.length ? parseIpv4Word(text.slice(start)) : undefined;
      if (word === undefined) return undefined;
      groups.push(word >>> 16, word & 0xffff);
    }
    if (groups.length > 8) return undefined;
    start = end + 1;
  }
  return groups;
}

function parseGroup(text: string, start: number, end: number): number | undefined {
  if (end === start || end - start > 4) return undefined;
  let group = 0;
  for (let index = start; index < end; index++) {
    const digit = hexDigit(text.charCodeAt(index));
    if (digit < 0) return undefined;
    group = group * 16 + digit;
  }
  return group;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code < COLON) return code - ZERO;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function joinGroups(groups: readonly number[]): number[] {
  const words: number[] = [];
  for (let index = 0; index < 8; index += 2) {
    words.push((groups[index] ?? 0) * 0x10000 + (groups[index + 1] ?? 0));
  }
  return words;
}

/** Canonical IPv6 text of four words: lower case, the first longest run of two or more zero groups as `::` (RFC 5952 §4). */
export function formatIpv6Words(word0: number, word1: number, word2: number, word3: number): string {
  const groups = [word0, word1, word2, word3].flatMap((word) => [word >>> 16, word & 0xffff]);
  let gapAt = 0;
  let gapLength = 0;
  for (let index = 0, run = 0; index < 8; index++) {
    run = groups[index] === 0 ? run + 1 : 0;
    if (run > gapLength) {
      gapLength = run;
      gapAt = index - run + 1;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (gapLength < 2) return hex.join(":");
  return `${hex.slice(0, gapAt).join(":")}::${hex.slice(gapAt + gapLength).join(":")}`;
}
