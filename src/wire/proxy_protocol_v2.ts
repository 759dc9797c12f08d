/**
 * PROXY protocol version 2, binary (section 2.2): the reading side.
 *
 * @module
 */

import { ByteReader } from "./byte_reader.ts";
import { crc32c } from "./crc32c.ts";
import { formatIpBytes } from "./ip_bytes.ts";
import {
  invalidProxyHeader,
  PROXY_HEADER_NEED_MORE,
  PROXY_TLV_TYPES,
  type ProxyAddress,
  type ProxyHeaderOutcome,
  type ProxyTlv,
} from "./proxy_protocol_header.ts";

const FIXED_BYTES = 16;
const VERSION_LOCAL = 0x20;
const VERSION_PROXY = 0x21;

/** Bytes of both addresses and ports by the family and transport byte; every other byte must be refused. */
const ADDRESS_BLOCK_BYTES: { readonly [family: number]: number } = {
  0x00: 0, // UNSPEC
  0x11: 12, // TCP over IPv4
  0x12: 12, // UDP over IPv4
  0x21: 36, // TCP over IPv6
  0x22: 36, // UDP over IPv6
  0x31: 216, // UNIX stream
  0x32: 216, // UNIX datagram
};

/**
 * Parses a version 2 header. The length that it declares is always honoured: a short address block or a TLV that
 * runs over it is invalid. LOCAL and UNSPEC headers are passed over without a look at what they hold.
 *
 * @param bytes everything so far, beginning with the signature (the caller has looked)
 * @param headerBytesMax longest header taken
 */
export function parseProxyHeaderV2(bytes: Uint8Array, headerBytesMax: number): ProxyHeaderOutcome {
  if (bytes.length < FIXED_BYTES) return PROXY_HEADER_NEED_MORE;
  const versionAndCommand = bytes[12]!;
  const family = bytes[13]!;
  const consumed = FIXED_BYTES + ((bytes[14]! << 8) | bytes[15]!);
  if (versionAndCommand === VERSION_LOCAL) {
    if (consumed > headerBytesMax) return invalidProxyHeader("too_large");
    if (bytes.length < consumed) return PROXY_HEADER_NEED_MORE;
    return { kind: "header", header: { version: 2, command: "LOCAL", tlvs: [] }, consumed };
  }
  const addressBlockBytes = ADDRESS_BLOCK_BYTES[family];
  if (versionAndCommand !== VERSION_PROXY || addressBlockBytes === undefined) {
    return invalidProxyHeader("malformed");
  }
  if (consumed < FIXED_BYTES + addressBlockBytes) return invalidProxyHeader("malformed");
  if (consumed > headerBytesMax) return invalidProxyHeader("too_large");
  if (bytes.length < consumed) return PROXY_HEADER_NEED_MORE;
  return parseWhole(bytes.subarray(0, consumed), addressBlockBytes);
}

function parseWhole(bytes: Uint8Array, addressBlockBytes: number): ProxyHeaderOutcome {
  const reader = new ByteReader(bytes, FIXED_BYTES);
  const addresses = readAddresses(reader.take(addressBlockBytes));
  const tlvs: ProxyTlv[] = [];
  let checked = false;
  // Nothing in an UNSPEC header says where addresses end and TLVs begin.
  while (addressBlockBytes > 0 && reader.remaining > 0) {
    const type = reader.uint8();
    const value = reader.vector16().rest();
    if (reader.failed) return invalidProxyHeader("malformed");
    if (type === PROXY_TLV_TYPES.CRC32C) {
      if (checked || value.length !== 4) return invalidProxyHeader("malformed");
      if (!isChecksumRight(bytes, reader.offset - 4)) return invalidProxyHeader("wrong_checksum");
      checked = true;
    } else if (type !== PROXY_TLV_TYPES.NOOP) {
      tlvs.push({ type, value });
    }
  }
  return {
    kind: "header",
    header: { version: 2, command: "PROXY", ...addresses, tlvs },
    consumed: bytes.length,
  };
}

function readAddresses(block: ByteReader): { source?: ProxyAddress; destination?: ProxyAddress } {
  if (block.remaining !== 12 && block.remaining !== 36) return {};
  const addressBytes = (block.remaining - 4) / 2;
  const sourceHost = formatIpBytes(block.take(addressBytes).rest());
  const destinationHost = formatIpBytes(block.take(addressBytes).rest());
  return {
    source: { host: sourceHost, port: block.uint16() },
    destination: { host: destinationHost, port: block.uint16() },
  };
}

/** The checksum is that of the whole header with zeros in the place of the checksum. */
function isChecksumRight(bytes: Uint8Array, at: number): boolean {
  const before = crc32c(bytes.subarray(0, at));
  const sum = crc32c(bytes.subarray(at + 4), crc32c(new Uint8Array(4), before));
  const reader = new ByteReader(bytes, at);
  return reader.uint16() === sum >>> 16 && reader.uint16() === (sum & 0xffff);
}
