/**
 * PROXY protocol version 1, one line of text (section 2.1).
 *
 * @module
 */

import { formatIpBytes, parseIpBytes } from "./ip_bytes.ts";
import {
  invalidProxyHeader,
  PROXY_HEADER_NEED_MORE,
  type ProxyAddress,
  type ProxyHeaderOutcome,
} from "./proxy_protocol_header.ts";

/** Longest line with its CRLF, from the specification. */
const LINE_BYTES_MAX = 107;
const LINE_FEED = 0x0a;

/**
 * Parses a version 1 header. Strict: single spaces, decimal ports without sign or leading zeros, addresses of the
 * family named, CRLF. What follows UNKNOWN is ignored, as the specification wants.
 *
 * @param bytes everything so far, beginning with `PROXY ` (the caller has looked)
 */
export function parseProxyHeaderV1(bytes: Uint8Array): ProxyHeaderOutcome {
  const searched = bytes.subarray(0, LINE_BYTES_MAX);
  const lineFeed = searched.indexOf(LINE_FEED);
  if (lineFeed < 0) {
    return bytes.length < LINE_BYTES_MAX ? PROXY_HEADER_NEED_MORE : invalidProxyHeader("too_large");
  }
  const line = String.fromCharCode(...searched.subarray(0, lineFeed));
  // The only CR stands before the LF: another one would be a line to some readers.
  if (line.indexOf("\r") !== lineFeed - 1) return invalidProxyHeader("malformed");
  const fields = line.slice(0, -1).split(" ");
  const consumed = lineFeed + 1;
  if (fields[1] === "UNKNOWN") {
    return { kind: "header", header: { version: 1, command: "PROXY", tlvs: [] }, consumed };
  }
  const addressBytes = fields[1] === "TCP4" ? 4 : fields[1] === "TCP6" ? 16 : 0;
  if (fields.length !== 6 || addressBytes === 0) return invalidProxyHeader("malformed");
  const source = parseAddress(fields[2]!, fields[4]!, addressBytes);
  const destination = parseAddress(fields[3]!, fields[5]!, addressBytes);
  if (source === undefined || destination === undefined) return invalidProxyHeader("malformed");
  return {
    kind: "header",
    header: { version: 1, command: "PROXY", source, destination, tlvs: [] },
    consumed,
  };
}

/**
 * A version 1 header as bytes.
 *
 * @param source the client; absent = `UNKNOWN`
 * @param destination where it connected to; absent = `UNKNOWN`
 * @throws {RangeError} when a host is no IP literal, a port none, or the families differ
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const bytes = formatProxyHeaderV1({ host: "::1", port: 1 }, { host: "::2", port: 443 });
 * assert.equal(new TextDecoder().decode(bytes), "PROXY TCP6 ::1 ::2 1 443\r\n");
 * ```
 */
export function formatProxyHeaderV1(source?: ProxyAddress, destination?: ProxyAddress): Uint8Array {
  if (source === undefined || destination === undefined) return ascii("PROXY UNKNOWN\r\n");
  const from = parseIpBytes(source.host);
  const to = parseIpBytes(destination.host);
  if (from === undefined || from.length !== to?.length || !isPort(source.port) || !isPort(destination.port)) {
    throw new RangeError(`Cannot format a PROXY header: "${source.host}" and "${destination.host}"`);
  }
  const family = from.length === 4 ? "TCP4" : "TCP6";
  const hosts = `${formatIpBytes(from)} ${formatIpBytes(to)}`;
  return ascii(`PROXY ${family} ${hosts} ${source.port} ${destination.port}\r\n`);
}

function parseAddress(host: string, port: string, addressBytes: number): ProxyAddress | undefined {
  const bytes = parseIpBytes(host);
  if (bytes?.length !== addressBytes || !/^(0|[1-9][0-9]{0,4})$/.test(port)) return undefined;
  return isPort(Number(port)) ? { host: formatIpBytes(bytes), port: Number(port) } : undefined;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
