import assert from "node:assert/strict";
import type { ProxyHeader } from "../../src/wire/proxy_protocol_header.ts";
import { parseProxyHeaderV1 } from "../../src/wire/proxy_protocol_v1.ts";
import { latin1 } from "./client_hello_builder.ts";
import {
  checkOneByteChanges,
  checkProxyHeader,
  DECLARED_IPV4,
  DECLARED_IPV6,
  type ExpectedProxyHeader,
} from "./proxy_protocol_check.ts";

/** The worst case line that the specification spells out, 107 bytes. */
const LONGEST_TEXT = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".replaceAll(
  "ffff:f...f:ffff",
  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
);
const NO_ADDRESS: Partial<ProxyHeader> = { version: 1, command: "PROXY", tlvs: [] };

const V1: readonly [line: string, expected: ExpectedProxyHeader][] = [
  ["PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n", { ...NO_ADDRESS, ...DECLARED_IPV4 }],
  ["PROXY TCP6 2001:db8::1 2001:DB8:0::2 5000 443\r\n", DECLARED_IPV6],
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
  ["PROXY UNKNOWN a\rb\r\n", "malformed"],
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

Deno.test("parseProxyHeaderV1() reads the line strictly", async (t) => {
  assert.equal(LONGEST_TEXT.length, 107);
  for (const [line, expected] of V1) {
    await t.step(JSON.stringify(line).slice(0, 70), () => checkProxyHeader(latin1(line), expected));
  }
});

Deno.test("parseProxyHeaderV1() never throws on a line with one byte changed", () => {
  for (const [line, expected] of V1) {
    if (typeof expected !== "string") checkOneByteChanges(latin1(line));
  }
});

Deno.test("parseProxyHeaderV1() needs more for every line without its end, and no more than 107 bytes", () => {
  const line = latin1("PROXY UNKNOWN " + "x".repeat(93));
  for (let length = 6; length < 107; length++) {
    assert.deepEqual(parseProxyHeaderV1(line.subarray(0, length)), { kind: "need_more" });
  }
  assert.equal(parseProxyHeaderV1(line).kind, "invalid");
});
