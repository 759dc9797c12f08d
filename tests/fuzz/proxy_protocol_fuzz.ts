/**
 * Feeds mutated PROXY protocol headers to their parser.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatIpBytes, parseIpBytes } from "../../src/wire/ip_bytes.ts";
import { parseProxyHeader, PROXY_HEADER_LIMITS } from "../../src/wire/proxy_protocol.ts";
import type { ProxyHeader, ProxyHeaderOutcome } from "../../src/wire/proxy_protocol_header.ts";
import { formatProxyHeaderV1 } from "../../src/wire/proxy_protocol_v1.ts";
import { formatProxyHeaderV2 } from "../../src/wire/proxy_protocol_v2_format.ts";
import { checkInput, cut, mutate, type Random } from "./mutate.ts";

const IPV4 = { source: { host: "192.0.2.1", port: 5_000 }, destination: { host: "192.0.2.2", port: 443 } };
const IPV6 = {
  source: { host: "2001:db8::1", port: 1 },
  destination: { host: "::ffff:1.2.3.4", port: 65_535 },
};
const TLVS = {
  authority: "git.example.org",
  uniqueId: new Uint8Array(16),
  alpn: "h2",
  ssl: { version: "TLSv1.3", commonName: "client" },
};

const INPUTS = [
  formatProxyHeaderV1(),
  formatProxyHeaderV1(IPV4.source, IPV4.destination),
  formatProxyHeaderV1(IPV6.source, IPV6.destination),
  formatProxyHeaderV2({}),
  formatProxyHeaderV2(IPV4),
  formatProxyHeaderV2({ ...IPV4, ...TLVS }),
  formatProxyHeaderV2({ ...IPV4, ...TLVS, checksum: true }),
  formatProxyHeaderV2({ ...IPV6, ...TLVS, checksum: true }),
  formatProxyHeaderV2({ ...IPV6, authority: "a".repeat(10_000) }),
];

/** Throws when an outcome depends on how much of the bytes is there, or breaks a promise of the parser. */
export function fuzz(count: number, random: Random): void {
  for (let round = 0; round < count; round++) {
    checkInput(mutate(INPUTS, random), (bytes) => check(bytes, random));
  }
}

function check(bytes: Uint8Array, random: Random): void {
  const whole = parseProxyHeader(bytes);
  checkOutcome(whole, bytes);
  let length = 0;
  for (const piece of cut(bytes, random)) {
    length += piece.length;
    const outcome = parseProxyHeader(bytes.subarray(0, length));
    if (outcome.kind === "need_more") continue;
    assert.deepEqual(outcome, whole, `after ${length} bytes it differs`);
    return;
  }
  assert.equal(whole.kind, "need_more");
}

function checkOutcome(outcome: ProxyHeaderOutcome, bytes: Uint8Array): void {
  if (outcome.kind === "need_more") {
    assert(bytes.length < PROXY_HEADER_LIMITS.headerBytesMax, "needs more beyond the limit");
  } else if (outcome.kind === "header") {
    assert(outcome.consumed <= bytes.length);
    const before = parseProxyHeader(bytes.subarray(0, outcome.consumed - 1));
    assert.equal(before.kind, "need_more");
    checkHeader(outcome.header, bytes);
  }
}

function checkHeader(header: ProxyHeader, bytes: Uint8Array): void {
  const { source, destination, tlvs, version } = header;
  const tlvBytes = tlvs.reduce((length, { value }) => length + 3 + value.length, 0);
  assert(tlvBytes <= bytes.length);
  assert.equal(source === undefined, destination === undefined);
  for (const address of [source, destination]) {
    if (address === undefined) continue;
    assert.equal(formatIpBytes(parseIpBytes(address.host)!), address.host);
    assert(address.port >= 0 && address.port <= 65_535);
  }
  if (version === 1 && source !== undefined) {
    const again = parseProxyHeader(formatProxyHeaderV1(source, destination));
    assert(again.kind === "header");
    assert.deepEqual(again.header, header);
  }
}
