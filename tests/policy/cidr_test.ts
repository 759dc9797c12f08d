import assert from "node:assert/strict";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import {
  contains,
  networkOf,
  parseAddressOrCidr,
  parseCidr,
  parseNetwork,
  prefixKey,
} from "../../src/policy/cidr.ts";
import { type IpAddress, parseIpAddress } from "../../src/policy/ip_address.ts";

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  assert(parsed !== undefined, text);
  return parsed;
}

Deno.test("parseCidr() gives one spelling of each range and refuses everything else", async (t) => {
  const table: readonly [string, string | undefined][] = [
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["192.0.2.1/32", "192.0.2.1/32"],
    ["128.0.0.0/1", "128.0.0.0/1"],
    ["::/0", "::/0"],
    ["2001:DB8:0::/32", "2001:db8::/32"],
    ["::1/128", "::1/128"],
    ["8000::/1", "8000::/1"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
    ["::ffff:0.0.0.0/95", undefined],
    ["10.0.0.1/8", undefined],
    ["2001:db8::1/64", undefined],
    ["2001:db8:0:0:8000::/64", undefined],
    ["10.0.0.0", undefined],
    ["10.0.0.0/", undefined],
    ["10.0.0.0/08", undefined],
    ["10.0.0.0/33", undefined],
    ["::/129", undefined],
    ["::ffff:10.0.0.0/129", undefined],
    ["10.0.0.0/-1", undefined],
    ["10.0.0.0/8/8", undefined],
    ["10.0.0.0/8 ", undefined],
    ["10.0.0.0/255.0.0.0", undefined],
    ["10/8", undefined],
    ["fe80::%eth0/10", undefined],
    ["/8", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text), () => assert.equal(parseCidr(text)?.text, expected));
  }
});

Deno.test("parseNetwork() clears host bits where parseCidr() refuses them", () => {
  assert.equal(parseNetwork("10.1.2.3/8")?.text, "10.0.0.0/8");
  assert.equal(parseNetwork("2001:db8:1:2:ffff::1/64")?.text, "2001:db8:1:2::/64");
  assert.equal(parseNetwork("10.1.2.3/33"), undefined);
});

Deno.test("parseAddressOrCidr() takes an address as the range of itself", () => {
  assert.equal(parseAddressOrCidr("192.0.2.1")?.text, "192.0.2.1/32");
  assert.equal(parseAddressOrCidr("::1")?.text, "::1/128");
  assert.equal(parseAddressOrCidr("10.0.0.0/8")?.text, "10.0.0.0/8");
  assert.equal(parseAddressOrCidr("10.0.0.1/8"), undefined);
  assert.equal(parseAddressOrCidr("fe80::1%eth0"), undefined);
});

Deno.test("networkOf() and contains() agree with ipaddr.js", () => {
  const pair = fc.oneof(
    fc.tuple(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  ).filter(([left, right]) =>
    // ipaddr.js reads ::1.2.3.4 as IPv4.
    [left, right].every((text) => !text.includes("%") && !(text.includes(":") && text.includes(".")))
  );
  fc.assert(fc.property(pair, fc.boolean(), ([left, right, bits], same) => {
    const range = networkOf(address(left), bits);
    const candidate = same ? left : right;
    const expected = ipaddr.process(candidate).match(ipaddr.process(left), bits);
    assert.equal(contains(range, address(candidate)), expected);
    assert.equal(parseCidr(range.text)?.text, range.text);
  }));
});

Deno.test("prefixKey() is the same for two addresses exactly when they share the prefix", async (t) => {
  const table: readonly [string, string, number, boolean][] = [
    ["192.0.2.1", "192.0.2.1", 32, true],
    ["192.0.2.1", "192.0.2.2", 32, false],
    ["192.0.2.1", "192.0.2.200", 24, true],
    ["192.0.2.1", "192.0.3.1", 24, false],
    ["2001:db8:0:1::1", "2001:db8:0:1:ffff::", 64, true],
    ["2001:db8:0:1::1", "2001:db8:0:2::1", 64, false],
    ["2001:db8:0:1::1", "2001:db8:0:2::1", 48, true],
    ["2001:db8:0:1::1", "2001:db8:1:1::1", 48, false],
    ["2001:db8:0:1::1", "2001:db9:0:1::1", 48, false],
  ];
  for (const [left, right, bits, same] of table) {
    await t.step(`${left} ${right} /${bits}`, () => {
      const equal =
        JSON.stringify(prefixKey(address(left), bits)) === JSON.stringify(prefixKey(address(right), bits));
      assert.equal(equal, same);
    });
  }
  const wide = prefixKey(address("2001:db8::1"), 48);
  const narrow = prefixKey(address("2001:db8::1"), 64);
  assert.notEqual(wide.kind, narrow.kind, "the /48 and the /64 of one address are different buckets");
});
