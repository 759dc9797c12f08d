/**
 * CRC-32C (Castagnoli, RFC 3720 §12.1), the checksum of PROXY protocol v2.
 *
 * @module
 */

const POLYNOMIAL = 0x82f63b78; // bit-reversed 0x1EDC6F41

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ ((remainder & 1) * POLYNOMIAL);
  }
  return remainder;
});

/**
 * The CRC-32C of bytes.
 *
 * @param bytes what to sum up; none give 0
 * @param previous the CRC of the bytes before, to go on from; default: none
 * @returns an unsigned 32-bit integer
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
 * ```
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let remainder = ~previous;
  for (let at = 0; at < bytes.length; at++) {
    remainder = (remainder >>> 8) ^ TABLE[(remainder ^ bytes[at]!) & 0xff]!;
  }
  return ~remainder >>> 0;
}
