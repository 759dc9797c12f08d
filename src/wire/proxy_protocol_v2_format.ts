/**
 * PROXY protocol version 2, binary (section 2.2): the writing side.
 *
 * @module
 */

import { crc32c } from "./crc32c.ts";
import { isIpv4Mapped, parseIpBytes } from "./ip_bytes.ts";
import { PROXY_TLV_TYPES, PROXY_V2_SIGNATURE, type ProxyAddress } from "./proxy_protocol_header.ts";

/** What a backend is told about the client's TLS, the SSL TLV. */
export interface ProxySsl {
  /** As the TLS library names it, such as `TLSv1.3`. */
  readonly version: string;
  /** Common name of the client certificate that was verified; absent: the client showed none. */
  readonly commonName?: string;
}

/** What a header is to say. */
export interface ProxyHeaderV2 {
  /** The client; absent = LOCAL, a connection of our own, and nothing else is sent. */
  readonly source?: ProxyAddress;
  /** Where the client connected to; absent = the zero address and port. */
  readonly destination?: ProxyAddress;
  /** The server name as the client sent it. */
  readonly authority?: string;
  /** Opaque, at most 128 bytes. */
  readonly uniqueId?: Uint8Array;
  /** The negotiated protocol, each character one byte. */
  readonly alpn?: string;
  /** Present when the client's TLS was terminated here. */
  readonly ssl?: ProxySsl;
  /** Adds the CRC32C. Default false. */
  readonly checksum?: boolean;
}

const FIXED_BYTES = 16;
const VERSION_LOCAL = 0x20;
const VERSION_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const UNIQUE_ID_BYTES_MAX = 128;

/** Bits of the SSL TLV's `client` field: over TLS, with a certificate on this connection, and in this session. */
const CLIENT_SSL = 0x01;
const CLIENT_CERTIFICATE = 0x02 | 0x04;

const utf8 = new TextEncoder();

/**
 * A version 2 header as bytes. The address family is the client's: an IPv4 client, also one written as
 * IPv4-mapped IPv6, is always sent as IPv4; the other end is then mapped or zeroed to fit.
 *
 * @param header what to say
 * @returns a new array, to be written before, or together with, the client's first bytes
 * @throws {RangeError} when a host is no IP literal, a port none, the unique id over 128 bytes, or all of it over
 * what the length field holds
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const bytes = formatProxyHeaderV2({
 *   source: { host: "192.0.2.1", port: 5000 },
 *   destination: { host: "192.0.2.2", port: 443 },
 *   authority: "git.example.org",
 * });
 * assert.equal(bytes.length, 16 + 12 + 3 + 15);
 * ```
 */
export function formatProxyHeaderV2(header: ProxyHeaderV2): Uint8Array {
  if (header.source === undefined) return joinHeader(VERSION_LOCAL, 0, []);
  const source = clientBytes(header.source.host);
  const destination = header.destination === undefined
    ? new Uint8Array(source.length)
    : destinationBytes(header.destination.host, source.length);
  const ports = joinBytes([portBytes(header.source.port), portBytes(header.destination?.port ?? 0)]);
  const parts = [source, destination, ports, ...tlvs(header)];
  if (header.checksum) parts.push(tlv(PROXY_TLV_TYPES.CRC32C, new Uint8Array(4)));
  const bytes = joinHeader(VERSION_PROXY, source.length === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6, parts);
  if (header.checksum) new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes));
  return bytes;
}

function tlvs(header: ProxyHeaderV2): Uint8Array[] {
  const parts: Uint8Array[] = [];
  if (header.alpn !== undefined) parts.push(tlv(PROXY_TLV_TYPES.ALPN, latin1(header.alpn)));
  if (header.authority !== undefined) {
    parts.push(tlv(PROXY_TLV_TYPES.AUTHORITY, utf8.encode(header.authority)));
  }
  if (header.uniqueId !== undefined) {
    if (header.uniqueId.length > UNIQUE_ID_BYTES_MAX) {
      throw new RangeError(
        `Cannot send a unique id of ${header.uniqueId.length} bytes: at most 128 are allowed`,
      );
    }
    parts.push(tlv(PROXY_TLV_TYPES.UNIQUE_ID, header.uniqueId));
  }
  if (header.ssl !== undefined) parts.push(sslTlv(header.ssl));
  return parts;
}

/** `client`, `verify` (four bytes, zero = a client certificate was verified), then sub-TLVs (section 2.2.6). */
function sslTlv(ssl: ProxySsl): Uint8Array {
  const hasCertificate = ssl.commonName !== undefined;
  const client = hasCertificate ? CLIENT_SSL | CLIENT_CERTIFICATE : CLIENT_SSL;
  const parts = [
    Uint8Array.of(client, 0, 0, 0, hasCertificate ? 0 : 1),
    tlv(PROXY_TLV_TYPES.SSL_VERSION, utf8.encode(ssl.version)),
  ];
  if (ssl.commonName !== undefined) parts.push(tlv(PROXY_TLV_TYPES.SSL_CN, utf8.encode(ssl.commonName)));
  return tlv(PROXY_TLV_TYPES.SSL, joinBytes(parts));
}

function tlv(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(3 + value.length);
  bytes[0] = type;
  bytes[1] = value.length >> 8;
  bytes[2] = value.length & 0xff;
  bytes.set(value, 3);
  return bytes;
}

function joinHeader(versionAndCommand: number, family: number, parts: readonly Uint8Array[]): Uint8Array {
  const bytes = joinBytes([new Uint8Array(FIXED_BYTES), ...parts]);
  const length = bytes.length - FIXED_BYTES;
  if (length > 0xffff) {
    throw new RangeError(`Cannot send a PROXY header of ${length} bytes: 65535 are the most`);
  }
  bytes.set(PROXY_V2_SIGNATURE);
  bytes[12] = versionAndCommand;
  bytes[13] = family;
  bytes[14] = length >> 8;
  bytes[15] = length & 0xff;
  return bytes;
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function clientBytes(host: string): Uint8Array {
  const bytes = addressBytes(host);
  return isIpv4Mapped(bytes) ? bytes.subarray(12) : bytes;
}

/** The destination in the client's family: unmapped, mapped, or zero where an IPv4 client can't have reached it. */
function destinationBytes(host: string, length: number): Uint8Array {
  const bytes = addressBytes(host);
  if (bytes.length === length) return bytes;
  if (length === 4) return isIpv4Mapped(bytes) ? bytes.subarray(12) : new Uint8Array(4);
  const mapped = new Uint8Array(16).fill(0xff, 10, 12);
  mapped.set(bytes, 12);
  return mapped;
}

function addressBytes(host: string): Uint8Array {
  const bytes = parseIpBytes(host);
  if (bytes === undefined) {
    throw new RangeError(`Cannot send "${host}" in a PROXY header: it is no IP literal`);
  }
  return bytes;
}

function portBytes(port: number): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`Cannot send port ${port} in a PROXY header: it must be 0 to 65535`);
  }
  return Uint8Array.of(port >> 8, port & 0xff);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
