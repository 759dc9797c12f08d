import assert from "node:assert/strict";
import { crc32c } from "../../src/wire/crc32c.ts";
import {
  PROXY_TLV_TYPES,
  PROXY_V2_SIGNATURE,
  type ProxyHeader,
} from "../../src/wire/proxy_protocol_header.ts";
import { parseProxyHeaderV2 } from "../../src/wire/proxy_protocol_v2.ts";
import { concat, latin1 } from "./client_hello_builder.ts";
import {
  checkOneByteChanges,
  checkProxyHeader,
  DECLARED_IPV4,
  DECLARED_IPV6,
  type ExpectedProxyHeader,
} from "./proxy_protocol_check.ts";

const SIGNATURE = latin1("\r\n\r\n\0\r\nQUIT\n");
const ADDRESSES_4 = Uint8Array.of(192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 1, 0xbb);
const ADDRESSES_6 = Uint8Array.fromHex(
  "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "138801bb",
);

function v2(versionAndCommand: number, family: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const fixed = Uint8Array.of(versionAndCommand, family, content.length >> 8, content.length & 0xff);
  return concat(SIGNATURE, fixed, content);
}

function tlv(type: number, ...value: readonly number[]): Uint8Array {
  return Uint8Array.of(type, value.length >> 8, value.length & 0xff, ...value);
}

/** A header whose CRC32C TLV, at the end, is right. */
function checked(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = v2(0x21, 0x11, ADDRESSES_4, ...parts, tlv(3, 0, 0, 0, 0));
  new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes));
  return bytes;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at < 0 ? bytes.length + at : at]! ^= 1;
  return changed;
}

const LOCAL: Partial<ProxyHeader> = { version: 2, command: "LOCAL", tlvs: [] };
const PROXY: Partial<ProxyHeader> = { version: 2, command: "PROXY", tlvs: [] };
const AUTHORITY = tlv(2, 0x61, 0x62);
const AUTHORITY_TLV = { type: 2, value: latin1("ab") };

const V2: readonly [name: string, bytes: Uint8Array, expected: ExpectedProxyHeader][] = [
  ["TCP over IPv4", v2(0x21, 0x11, ADDRESSES_4), { ...PROXY, ...DECLARED_IPV4 }],
  ["TCP over IPv6", v2(0x21, 0x21, ADDRESSES_6), { ...PROXY, ...DECLARED_IPV6 }],
  ["UDP over IPv4", v2(0x21, 0x12, ADDRESSES_4), DECLARED_IPV4],
  ["UDP over IPv6", v2(0x21, 0x22, ADDRESSES_6), DECLARED_IPV6],
  ["UNIX", v2(0x21, 0x31, new Uint8Array(216), AUTHORITY), { ...PROXY, tlvs: [AUTHORITY_TLV] }],
  ["UNSPEC", v2(0x21, 0x00), PROXY],
  ["UNSPEC with bytes", v2(0x21, 0x00, new Uint8Array(7)), PROXY],
  ["LOCAL", v2(0x20, 0x00), LOCAL],
  ["LOCAL with an address", v2(0x20, 0x11, ADDRESSES_4), LOCAL],
  ["LOCAL with a short address", v2(0x20, 0x11, new Uint8Array(5)), LOCAL],
  ["LOCAL with an unknown family", v2(0x20, 0x99, new Uint8Array(5)), LOCAL],
  ["TLVs", v2(0x21, 0x11, ADDRESSES_4, AUTHORITY, tlv(0xee)), {
    ...DECLARED_IPV4,
    tlvs: [AUTHORITY_TLV, { type: 0xee, value: new Uint8Array(0) }],
  }],
  ["padding", v2(0x21, 0x11, ADDRESSES_4, tlv(4, 0, 0), AUTHORITY, tlv(4)), { tlvs: [AUTHORITY_TLV] }],
  ["a right checksum", checked(AUTHORITY), { ...DECLARED_IPV4, tlvs: [AUTHORITY_TLV] }],
  ["a wrong checksum", flipped(checked(AUTHORITY), -1), "wrong_checksum"],
  ["a wrong checksum, first byte", flipped(checked(AUTHORITY), -4), "wrong_checksum"],
  ["a changed address under a checksum", flipped(checked(AUTHORITY), 16), "wrong_checksum"],
  ["a changed TLV under a checksum", flipped(checked(AUTHORITY), 16 + 12 + 4), "wrong_checksum"],
  ["two checksums", checked(tlv(3, 0, 0, 0, 0)), "wrong_checksum"],
  ["a short checksum", v2(0x21, 0x11, ADDRESSES_4, tlv(3, 0, 0, 0)), "malformed"],
  ["a TLV over the end", v2(0x21, 0x11, ADDRESSES_4, Uint8Array.of(2, 0, 3, 0x61, 0x62)), "malformed"],
  ["a cut TLV header", v2(0x21, 0x11, ADDRESSES_4, Uint8Array.of(2, 0)), "malformed"],
  ["a short IPv4 block", v2(0x21, 0x11, ADDRESSES_4.subarray(1)), "malformed"],
  ["a short IPv6 block", v2(0x21, 0x21, ADDRESSES_4), "malformed"],
  ["a short UNIX block", v2(0x21, 0x31, new Uint8Array(215)), "malformed"],
  ["version 1", v2(0x11, 0x11, ADDRESSES_4), "malformed"],
  ["version 3", v2(0x31, 0x11, ADDRESSES_4), "malformed"],
  ["an unknown command", v2(0x22, 0x11, ADDRESSES_4), "malformed"],
  ["an unknown transport", v2(0x21, 0x13, ADDRESSES_4), "malformed"],
  ["an unspecified transport", v2(0x21, 0x10, ADDRESSES_4), "malformed"],
  ["an unknown family", v2(0x21, 0x41, ADDRESSES_4), "malformed"],
  ["a wrong signature", flipped(v2(0x21, 0x11, ADDRESSES_4), 11), "no_signature"],
  ["the longest taken", v2(0x20, 0x00, new Uint8Array(16_384 - 16)), LOCAL],
  ["one byte more, LOCAL", v2(0x20, 0x00, new Uint8Array(16_384 - 15)), "too_large"],
  ["one byte more", v2(0x21, 0x11, new Uint8Array(16_384 - 15)), "too_large"],
  ["a great length that isn't there", v2(0x21, 0x11, new Uint8Array(65_535)).subarray(0, 16), "too_large"],
];

Deno.test("parseProxyHeaderV2() reads the header strictly", async (t) => {
  for (const [name, bytes, expected] of V2) await t.step(name, () => checkProxyHeader(bytes, expected));
});

Deno.test("parseProxyHeaderV2() takes a second checksum for malformed even when the first is right", () => {
  // The second one is part of what the first sums up, so its value can't be right too; any value must be refused.
  const bytes = v2(0x21, 0x11, ADDRESSES_4, tlv(3, 0, 0, 0, 0), tlv(3, 0, 0, 0, 0));
  new DataView(bytes.buffer).setUint32(bytes.length - 11, crc32c(bytes));
  checkProxyHeader(bytes, "malformed");
});

Deno.test("parseProxyHeaderV2() takes headers up to its limit", () => {
  const bytes = v2(0x21, 0x00, new Uint8Array(65_535));
  assert.equal(parseProxyHeaderV2(bytes, 65_551).kind, "header");
  assert.equal(parseProxyHeaderV2(bytes, 65_550).kind, "invalid");
});

Deno.test("parseProxyHeaderV2() never throws on a header with one byte changed", () => {
  for (const [, bytes, expected] of V2) {
    if (typeof expected !== "string" && bytes.length < 400) checkOneByteChanges(bytes);
  }
});

Deno.test("PROXY_V2_SIGNATURE and PROXY_TLV_TYPES are the specification's", () => {
  assert.deepEqual(PROXY_V2_SIGNATURE, [...SIGNATURE]);
  const { ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL } = PROXY_TLV_TYPES;
  assert.deepEqual([ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL], [1, 2, 3, 4, 5, 0x20]);
});
