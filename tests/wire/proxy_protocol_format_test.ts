import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIpBytes } from "../../src/wire/ip_bytes.ts";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import type { ProxyAddress, ProxyHeader } from "../../src/wire/proxy_protocol_header.ts";
import { formatProxyHeaderV1 } from "../../src/wire/proxy_protocol_v1.ts";
import { formatProxyHeaderV2, type ProxyHeaderV2 } from "../../src/wire/proxy_protocol_v2_format.ts";
import { latin1 } from "./client_hello_builder.ts";

const SOURCE: ProxyAddress = { host: "192.0.2.1", port: 5_000 };
const DESTINATION: ProxyAddress = { host: "192.0.2.2", port: 443 };

function parse(bytes: Uint8Array): ProxyHeader {
  const outcome = parseProxyHeader(bytes, { headerBytesMax: 65_551 });
  assert(outcome.kind === "header", JSON.stringify(outcome));
  assert.equal(outcome.consumed, bytes.length);
  return outcome.header;
}

Deno.test("formatProxyHeaderV2() writes what the specification lays out", () => {
  assert.equal(
    formatProxyHeaderV2({ source: SOURCE, destination: DESTINATION, authority: "ab" }).toHex(),
    "0d0a0d0a000d0a515549540a" + "2111" + "0011" + "c0000201" + "c0000202" + "1388" + "01bb" + "020002" +
      "6162",
  );
});

const FAMILIES: readonly [source: string, destination: string | undefined, from: string, to: string][] = [
  ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"],
  ["2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::2"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1", "192.0.2.2"],
  ["::ffff:192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"],
  ["192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1", "192.0.2.2"],
  ["192.0.2.1", "2001:db8::2", "192.0.2.1", "0.0.0.0"],
  ["2001:db8::1", "192.0.2.2", "2001:db8::1", "::ffff:192.0.2.2"],
  ["192.0.2.1", undefined, "192.0.2.1", "0.0.0.0"],
  ["2001:db8::1", undefined, "2001:db8::1", "::"],
];

Deno.test("formatProxyHeaderV2() sends the client's family, and IPv4 never as mapped IPv6", async (t) => {
  for (const [source, destination, from, to] of FAMILIES) {
    await t.step(`${source} to ${destination}`, () => {
      const header = parse(formatProxyHeaderV2({
        source: { host: source, port: 1 },
        ...(destination === undefined ? {} : { destination: { host: destination, port: 2 } }),
      }));
      assert.deepEqual(header.source, { host: from, port: 1 });
      assert.deepEqual(header.destination, { host: to, port: destination === undefined ? 0 : 2 });
    });
  }
});

Deno.test("formatProxyHeaderV2() sends LOCAL when there is no client", () => {
  assert.equal(formatProxyHeaderV2({}).toHex(), "0d0a0d0a000d0a515549540a" + "2000" + "0000");
  assert.deepEqual(
    formatProxyHeaderV2({ destination: DESTINATION, authority: "ab" }),
    formatProxyHeaderV2({}),
  );
});

Deno.test("formatProxyHeaderV2() tells the backend about the client's TLS", async (t) => {
  const base = { source: SOURCE, destination: DESTINATION };
  const rows: readonly [string, Partial<ProxyHeaderV2>, readonly [number, string][]][] = [
    ["ALPN", { alpn: "h2" }, [[0x01, "h2"]]],
    ["AUTHORITY as sent", { authority: "Git.Example.ORG." }, [[0x02, "Git.Example.ORG."]]],
    ["UNIQUE_ID", { uniqueId: Uint8Array.of(1, 0xff) }, [[0x05, "\x01\xff"]]],
    ["SSL without a certificate", { ssl: { version: "TLSv1.3" } }, [
      [0x20, "\x01\0\0\0\x01" + "\x21\0\x07TLSv1.3"],
    ]],
    ["SSL with a certificate", { ssl: { version: "TLSv1.2", commonName: "zo\u00eb" } }, [
      [0x20, "\x07\0\0\0\0" + "\x21\0\x07TLSv1.2" + "\x22\0\x04zo\xc3\xab"],
    ]],
    ["a checksum alone", { checksum: true }, []],
    ["all", { alpn: "h2", authority: "a", uniqueId: latin1("b"), ssl: { version: "T" }, checksum: true }, [
      [0x01, "h2"],
      [0x02, "a"],
      [0x05, "b"],
      [0x20, "\x01\0\0\0\x01\x21\0\x01T"],
    ]],
  ];
  for (const [name, parts, tlvs] of rows) {
    await t.step(name, () => {
      const header = parse(formatProxyHeaderV2({ ...base, ...parts }));
      assert.deepEqual(header.tlvs, tlvs.map(([type, value]) => ({ type, value: latin1(value) })));
    });
  }
});

Deno.test("formatProxyHeaderV2() puts a checksum that guards every byte", () => {
  const bytes = formatProxyHeaderV2({ source: SOURCE, authority: "git.example.org", checksum: true });
  for (let at = 16; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 0x10;
    const kind = parseProxyHeader(changed).kind;
    assert.equal(kind, at === bytes.length - 7 ? "header" : "invalid", `byte ${at}`); // another type than CRC32C
  }
});

Deno.test("formatProxyHeaderV1() and formatProxyHeaderV2() refuse what they can't say", () => {
  const bad: readonly ProxyAddress[] = [
    { host: "example.org", port: 1 },
    { host: "", port: 1 },
    { host: "192.0.2.1", port: -1 },
    { host: "192.0.2.1", port: 65_536 },
    { host: "192.0.2.1", port: 1.5 },
  ];
  for (const address of bad) {
    assert.throws(() => formatProxyHeaderV1(address, SOURCE), RangeError);
    assert.throws(() => formatProxyHeaderV1(SOURCE, address), RangeError);
    assert.throws(() => formatProxyHeaderV2({ source: address }), RangeError);
    assert.throws(() => formatProxyHeaderV2({ source: SOURCE, destination: address }), RangeError);
  }
  assert.throws(() => formatProxyHeaderV1(SOURCE, { host: "::1", port: 1 }), RangeError);
  assert.throws(() => formatProxyHeaderV2({ source: SOURCE, uniqueId: new Uint8Array(129) }), RangeError);
  assert.throws(() => formatProxyHeaderV2({ source: SOURCE, authority: "a".repeat(65_536) }), RangeError);
});

function address(bytes: number): fc.Arbitrary<ProxyAddress> {
  const host = fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(formatIpBytes);
  return fc.tuple(host, fc.nat(65_535)).map(([host, port]) => ({ host, port }));
}

const pair = fc.oneof(fc.tuple(address(4), address(4)), fc.tuple(address(16), address(16)));

Deno.test("parseProxyHeader() reads back what formatProxyHeaderV1() writes", () => {
  assert.deepEqual(parse(formatProxyHeaderV1()), { version: 1, command: "PROXY", tlvs: [] });
  fc.assert(fc.property(pair, ([source, destination]) => {
    const bytes = formatProxyHeaderV1(source, destination);
    assert.deepEqual(parse(bytes), { version: 1, command: "PROXY", source, destination, tlvs: [] });
  }));
});

Deno.test("parseProxyHeader() reads back what formatProxyHeaderV2() writes", () => {
  const text = fc.stringMatching(/^[!-~]{1,253}$/);
  const extras = fc.record({
    alpn: text,
    authority: text,
    uniqueId: fc.uint8Array({ maxLength: 128 }),
    checksum: fc.boolean(),
  }, { requiredKeys: [] });
  fc.assert(fc.property(pair, extras, ([source, destination], extra) => {
    const header = parse(formatProxyHeaderV2({ source, destination, ...extra }));
    const value = (type: number) => header.tlvs.find((tlv) => tlv.type === type)?.value;
    assert.deepEqual([header.source, header.destination], [source, destination]);
    assert.deepEqual(value(0x01), extra.alpn === undefined ? undefined : latin1(extra.alpn));
    assert.deepEqual(value(0x02), extra.authority === undefined ? undefined : latin1(extra.authority));
    assert.deepEqual(value(0x05), extra.uniqueId);
  }));
});
