/**
 * Reads the PROXY protocol header that a load balancer puts before its client's bytes, version 1 or 2.
 *
 * @module
 */

import {
  invalidProxyHeader,
  PROXY_HEADER_NEED_MORE,
  PROXY_V2_SIGNATURE,
  type ProxyHeaderOutcome,
} from "./proxy_protocol_header.ts";
import { parseProxyHeaderV1 } from "./proxy_protocol_v1.ts";
import { parseProxyHeaderV2 } from "./proxy_protocol_v2.ts";

/** Bound on what a sender may make us hold. */
export interface ProxyHeaderLimits {
  /**
   * Longest version 2 header, its 16 fixed bytes included; a longer one is invalid, never cut. Default 16,384.
   * (The format allows 65,551; version 1 ends at 107.)
   */
  readonly headerBytesMax: number;
}

/** The defaults of {@linkcode ProxyHeaderLimits}. */
export const PROXY_HEADER_LIMITS: ProxyHeaderLimits = Object.freeze({ headerBytesMax: 16_384 });

/** What every version 1 header begins with; nothing shorter tells it from a client's own bytes. */
const V1_SIGNATURE: readonly number[] = [..."PROXY "].map((character) => character.charCodeAt(0));

/**
 * Parses the header at the start of a connection. It never guesses: bytes without a header are invalid.
 *
 * @param bytes everything received so far, from the first byte; what follows the header is not looked at.
 * Until the outcome is another than `need_more`, call again with more. The time of a call doesn't grow with a
 * version 2 header that isn't whole yet
 * @param limits default {@linkcode PROXY_HEADER_LIMITS}
 * @returns the header with its length, `need_more`, or `invalid`
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const bytes = new TextEncoder().encode("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n…");
 * const outcome = parseProxyHeader(bytes);
 * assert(outcome.kind === "header");
 * assert.deepEqual(outcome.header.source, { host: "192.0.2.1", port: 5000 });
 * ```
 */
export function parseProxyHeader(
  bytes: Uint8Array,
  limits: ProxyHeaderLimits = PROXY_HEADER_LIMITS,
): ProxyHeaderOutcome {
  if (bytes.length === 0) return PROXY_HEADER_NEED_MORE;
  const isV1 = bytes[0] === V1_SIGNATURE[0];
  const signature = isV1 ? V1_SIGNATURE : PROXY_V2_SIGNATURE;
  const length = Math.min(bytes.length, signature.length);
  for (let at = 0; at < length; at++) {
    if (bytes[at] !== signature[at]) return invalidProxyHeader("no_signature");
  }
  if (length < signature.length) return PROXY_HEADER_NEED_MORE;
  return isV1 ? parseProxyHeaderV1(bytes) : parseProxyHeaderV2(bytes, limits.headerBytesMax);
}
