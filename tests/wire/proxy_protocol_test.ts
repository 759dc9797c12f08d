import assert from "node:assert/strict";
import { crc32c } from "../../src/wire/crc32c.ts";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import type {
  ProxyHeader,
  ProxyHeaderFault,
  ProxyHeaderOutcome,
} from "../../src/wire/proxy_protocol_header.ts";
import { concat, latin1 } from "./client_hello_builder.ts";

type Expected = ProxyHeaderFault | "need_more" | Partial<ProxyHeader>;

/** Checks the outcome, also with the client's bytes behind it, and that every proper prefix of a header needs more. */
function check(bytes: Uint8Array, expected: Expected): void {
  const outcome = parseProxyHeader(bytes);
  if (expected === "need_more") assert.deepEqual(outcome, { kind: "need_more" });
  else if (typeof expected === "string") {
    assert.deepEqual(outcome, { kind: "invalid", reason: "proxy_header_invalid", detail: expected });
  } else {
    assert(outcome.kind === "header", JSON.stringify(outcome));
    assert.deepEqual({ ...outcome.header, ...expected }, outcome.header);
    assert.equal(outcome.consumed, bytes.length);
    assert.deepEqual(parseProxyHeader(concat(bytes, latin1("\x16\x03\x01\n\r\n"))), outcome);
    for (let length = 0; length < bytes.length; length++) {
      assert.deepEqual(parseProxyHeader(bytes.subarray(0, length)), { kind: "need_more" });
    }
  }
}

const TCP4: Partial<ProxyHeader> = {
  source: { host: "192.0.2.1", port: 5_000 },
  destination: { host: "192.0.2.2", port: 443 },
};
const TCP6: Partial<ProxyHeader> = {
  source: { host: "2001:db8::1", port: 5_000 },
  destination: { host: "2001:db8::2", port: 443 },
};

/** The worst case line that the specification spells out, 107 bytes. */
const LONGEST_TEXT = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".replaceAll(
  "ffff:f...f:ffff",
  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
);
const NO_ADDRESS: Partial<ProxyHeader> = { version: 1, command: "PROXY", tlvs: [] };

const V1: readonly [line: string, expected: Expected][] = [
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n", { ...NO_ADDRESS, ...TCP4 }],
  ["PROXY TCP6 2001:db8::1 2001:DB8:0::2 5000 443\r\n", TCP6],
  ["PROXY TCP6 ::ffff:192.0.2.1 ::2 0 65535\r\n", { source: { host: "::ffff:192.0.2.1", port: 0 } }],
  // The specification's worst cases, section 2.1.
  ["PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", {
    source: { host: "255.255.255.255", port: 65_535 },
  }],
  ["PROXY UNKNOWN\r\n", NO_ADDRESS],
  [LONGEST_TEXT, NO_ADDRESS],
  ["PROXY UNKNOWN 127.0.0.1 whatever \x01\x02\r\n", NO_ADDRESS],
  ["PROXY UNKNOWN " + "x".repeat(92) + "\r\n", "too_large"],
  ["PROXY UNKNOWN " + "x".repeat(200), "too_large"],
  ["PROXY UNKNOWNX\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000\r443\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 \r\n", "malformed"],
  ["PROXY TCP4  192.0.2.1 192.0.2.2 5000 443\r\n", "malformed"],
  ["PROXY\tTCP4 192.0.2.1 192.0.2.2 5000 443\r\n", "no_signature"],
  ["PROXY tcp4 192.0.2.1 192.0.2.2 5000 443\r\n", "malformed"],
  ["proxy TCP4 192.0.2.1 192.0.2.2 5000 443\r\n", "no_signature"],
  ["PROXY TCP5 192.0.2.1 192.0.2.2 5000 443\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 0x50 443\r\n", "malformed"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000 0443\r\n", "malformed"],
  ["PROXY TCP4 2001:db8::1 192.0.2.2 5000 443\r\n", "malformed"],
  ["PROXY TCP6 2001:db8::1 192.0.2.2 5000 443\r\n", "malformed"],
  ["PROXY TCP6 fe80::1%eth0 ::2 5000 443\r\n", "malformed"],
  ["PROXY \r\n", "malformed"],
  ["PROXY\r\n", "no_signature"],
  ["GET / HTTP/1.1\r\n", "no_signature"],
  ["\x16\x03\x01", "no_signature"],
];

Deno.test("parseProxyHeader() reads version 1", async (t) => {
  assert.equal(LONGEST_TEXT.length, 107);
  for (const [line, expected] of V1) {
    await t.step(JSON.stringify(line).slice(0, 70), () => check(latin1(line), expected));
  }
});

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

const V2: readonly [name: string, bytes: Uint8Array, expected: Expected][] = [
  ["TCP over IPv4", v2(0x21, 0x11, ADDRESSES_4), { ...PROXY, ...TCP4 }],
  ["TCP over IPv6", v2(0x21, 0x21, ADDRESSES_6), { ...PROXY, ...TCP6 }],
  ["UDP over IPv4", v2(0x21, 0x12, ADDRESSES_4), TCP4],
  ["UDP over IPv6", v2(0x21, 0x22, ADDRESSES_6), TCP6],
  ["UNIX", v2(0x21, 0x31, new Uint8Array(216), AUTHORITY), { ...PROXY, tlvs: [AUTHORITY_TLV] }],
  ["UNSPEC", v2(0x21, 0x00), PROXY],
  ["UNSPEC with bytes", v2(0x21, 0x00, new Uint8Array(7)), PROXY],
  ["LOCAL", v2(0x20, 0x00), LOCAL],
  ["LOCAL with an address", v2(0x20, 0x11, ADDRESSES_4), LOCAL],
  ["LOCAL with a short address", v2(0x20, 0x11, new Uint8Array(5)), LOCAL],
  ["LOCAL with an unknown family", v2(0x20, 0x99, new Uint8Array(5)), LOCAL],
  ["TLVs", v2(0x21, 0x11, ADDRESSES_4, AUTHORITY, tlv(0xee)), {
    ...TCP4,
    tlvs: [AUTHORITY_TLV, { type: 0xee, value: new Uint8Array(0) }],
  }],
  ["padding", v2(0x21, 0x11, ADDRESSES_4, tlv(4, 0, 0), AUTHORITY, tlv(4)), { tlvs: [AUTHORITY_TLV] }],
  ["a right checksum", checked(AUTHORITY), { ...TCP4, tlvs: [AUTHORITY_TLV] }],
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

Deno.test("parseProxyHeader() reads version 2", async (t) => {
  for (const [name, bytes, expected] of V2) await t.step(name, () => check(bytes, expected));
});

Deno.test("parseProxyHeader() takes a second checksum for malformed even when the first is right", () => {
  // The second one is part of what the first sums up, so its value can't be right too; any value must be refused.
  const bytes = v2(0x21, 0x11, ADDRESSES_4, tlv(3, 0, 0, 0, 0), tlv(3, 0, 0, 0, 0));
  new DataView(bytes.buffer).setUint32(bytes.length - 11, crc32c(bytes));
  check(bytes, "malformed");
});

Deno.test("parseProxyHeader() takes longer headers when its limit says so", () => {
  const bytes = v2(0x21, 0x00, new Uint8Array(65_535));
  assert.equal(parseProxyHeader(bytes, { headerBytesMax: 65_551 }).kind, "header");
  assert.equal(parseProxyHeader(bytes, { headerBytesMax: 65_550 }).kind, "invalid");
});

Deno.test("parseProxyHeader() never throws on a header with one byte changed", () => {
  const valid = [...V1.map(([line]) => latin1(line)), ...V2.map(([, bytes]) => bytes)].filter((bytes) =>
    parseProxyHeader(bytes).kind === "header" && bytes.length < 400
  );
  assert(valid.length > 15);
  for (const bytes of valid) {
    for (let at = 0; at < bytes.length; at++) {
      for (let change = 1; change < 256; change++) {
        const changed = bytes.slice();
        changed[at] = bytes[at]! ^ change;
        checkAnyOutcome(parseProxyHeader(changed), changed.length);
      }
    }
  }
});

function checkAnyOutcome(outcome: ProxyHeaderOutcome, length: number): void {
  if (outcome.kind === "header") {
    assert(outcome.consumed <= length);
    assert.equal(outcome.header.source === undefined, outcome.header.destination === undefined);
  } else assert(outcome.kind === "invalid" || outcome.kind === "need_more");
}
