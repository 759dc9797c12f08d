/**
 * IP addresses between text and network order bytes. Strict both ways: one text for one address (RFC 5952).
 *
 * @module
 */

/**
 * The bytes of an IP address.
 *
 * IPv4 is four decimal numbers 0–255 without leading zeros. IPv6 is RFC 4291 §2.2: upper or lower case hexadecimal,
 * at most one `::`, possibly an IPv4 tail. No zone, no brackets, no white space.
 *
 * @param text an IP literal
 * @returns 4 or 16 bytes, or `undefined` for anything else
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseIpBytes("192.0.2.1"), Uint8Array.of(192, 0, 2, 1));
 * assert.equal(parseIpBytes("192.0.2.01"), undefined);
 * ```
 */
export function parseIpBytes(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/**
 * The canonical text of an IP address: IPv6 as RFC 5952 wants it, lower case, the longest run of two or more
 * zero fields as `::` (the first of equals), IPv4-mapped addresses with their IPv4 tail in dots (§5).
 *
 * @param bytes 4 or 16 bytes in network order
 * @returns the text; empty for any other length
 */
export function formatIpBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  if (isIpv4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const fields = Array.from({ length: 8 }, (_, index) => (bytes[2 * index]! << 8) | bytes[2 * index + 1]!);
  const [start, length] = longestZeroRun(fields);
  if (length < 2) return hexadecimal(fields);
  return `${hexadecimal(fields.slice(0, start))}::${hexadecimal(fields.slice(start + length))}`;
}

/**
 * Whether 16 bytes are an IPv4-mapped IPv6 address, `::ffff:0:0/96` (RFC 4291 §2.5.5.2); the last four are then
 * the IPv4 address.
 */
export function isIpv4Mapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false;
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false;
  return true;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let index = 0; index < 4; index++) {
    const part = parts[index]!;
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[index] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseFields(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseFields(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const count = head.length + tail.length;
  // "::" stands for at least one field of zeros.
  if (halves.length === 1 ? count !== 8 : count > 7) return undefined;
  const bytes = new Uint8Array(16);
  head.forEach((field, index) => setField(bytes, index, field));
  tail.forEach((field, index) => setField(bytes, 8 - tail.length + index, field));
  return bytes;
}

/** Fields of one side of `::`; the last may be an IPv4 address where the text ends with it. */
function parseFields(text: string, endsAddress: boolean): number[] | undefined {
  if (text === "") return [];
  const fields: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      fields.push(parseInt(part, 16));
      continue;
    }
    const ipv4 = endsAddress && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 === undefined) return undefined;
    fields.push((ipv4[0]! << 8) | ipv4[1]!, (ipv4[2]! << 8) | ipv4[3]!);
  }
  return fields;
}

function setField(bytes: Uint8Array, index: number, field: number): void {
  bytes[2 * index] = field >> 8;
  bytes[2 * index + 1] = field & 0xff;
}

function hexadecimal(fields: readonly number[]): string {
  return fields.map((field) => field.toString(16)).join(":");
}

function longestZeroRun(fields: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  let start = 0;
  for (const [index, field] of fields.entries()) {
    if (field !== 0) start = index + 1;
    else if (index + 1 - start > best[1]) best = [start, index + 1 - start];
  }
  return best;
}
