/**
 * A byte stream that every position can be checked in: the byte at `offset` depends on the offset alone and has no
 * short period, so a byte lost, doubled or moved is seen.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Prime, so that no power-of-two buffer size hides a shifted block. */
const PERIOD_BYTES = 65_521;
const PATTERN = patternBytes();

/** Fills `into` with the stream's bytes from `offset` on. */
export function fillPattern(into: Uint8Array, offset: number): void {
  for (let filled = 0; filled < into.length;) {
    const from = (offset + filled) % PERIOD_BYTES;
    const part = PATTERN.subarray(from, from + into.length - filled);
    into.set(part, filled);
    filled += part.length;
  }
}

/** SHA-256 in hex of the stream's first `bytes` bytes. */
export function patternSha256(bytes: number): string {
  const hash = createHash("sha256");
  for (let sent = 0; sent < bytes; sent += PERIOD_BYTES) {
    hash.update(PATTERN.subarray(0, Math.min(PERIOD_BYTES, bytes - sent)));
  }
  return hash.digest("hex");
}

function patternBytes(): Uint8Array {
  const bytes = new Uint8Array(PERIOD_BYTES);
  let word = 0x9e3779b9;
  for (let index = 0; index < bytes.length; index++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    bytes[index] = word & 0xff;
  }
  return bytes;
}
