import assert from "node:assert/strict";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { ipv6Address, isPrivate, parseIpAddress } from "../../src/policy/ip_address.ts";

/** text → canonical text, or `undefined` where nothing else is acceptable. */
const SPELLINGS: readonly [string, string | undefined][] = [
  ["192.0.2.1", "192.0.2.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["::1", "::1"],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
  ["2001:db8::0:1", "2001:db8::1"],
  ["2001:0db8::0001", "2001:db8::1"],
  // RFC 5952 §4.2.2: a single group isn't shortened; §4.2.3: the longest run is, and of two equal ones the first.
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ["::192.0.2.1", "::c000:201"],
  ["fe80::1%eth0", "fe80::1"],
  ["febf::1%3", "febf::1"],
  // A zone belongs to a link-local address, and has a name.
  ["fe80::1%", undefined],
  ["2001:db8::1%eth0", undefined],
  ["192.0.2.1%eth0", undefined],
  ["::ffff:169.254.0.1%eth0", undefined],
  // Spellings of IPv4 that other programs read in other ways.
  ["192.0.2.010", undefined],
  ["192.0.2.00", undefined],
  ["192.0.2.256", undefined],
  ["192.0.2", undefined],
  ["192.0.2.", undefined],
  [".192.0.2", undefined],
  ["192..2.1", undefined],
  ["192.0.2.1.1", undefined],
  ["0x7f.0.0.1", undefined],
  ["2130706433", undefined],
  ["-1.0.0.0", undefined],
  ["+1.0.0.0", undefined],
  ["1e1.0.0.0", undefined],
  [" 192.0.2.1", undefined],
  ["192.0.2.1 ", undefined],
  ["192.0.2.1\n", undefined],
  ["192.0.2.1\0", undefined],
  ["١٩٢.0.2.1", undefined],
  ["", undefined],
  [":", undefined],
  [":::", undefined],
  ["1::2::3", undefined],
  ["1:2:3:4:5:6:7", undefined],
  ["1:2:3:4:5:6:7:8:9", undefined],
  ["1:2:3:4:5:6:7:8::", undefined],
  ["::1:2:3:4:5:6:7:8", undefined],
  ["1:2:3:4::5:6:7:8", undefined],
  [":1:2:3:4:5:6:7:8", undefined],
  ["1:2:3:4:5:6:7:8:", undefined],
  ["12345::", undefined],
  ["g::", undefined],
  ["::192.0.2.1:1", undefined],
  ["192.0.2.1::", undefined],
  ["1:2:3:4:5:6:7:192.0.2.1", undefined],
  ["::192.0.2.01", undefined],
  ["[::1]", undefined],
  ["::1/128", undefined],
  ["localhost", undefined],
  ["1".repeat(100_000), undefined],
  [":".repeat(100_000), undefined],
];

Deno.test("parseIpAddress() gives one spelling of each address and refuses everything else", async (t) => {
  for (const [text, expected] of SPELLINGS) {
    await t.step(JSON.stringify(text.slice(0, 50)), () => assert.equal(parseIpAddress(text)?.text, expected));
  }
});

Deno.test("parseIpAddress() keeps words as unsigned integers in network order", () => {
  assert.deepEqual(parseIpAddress("255.1.2.3"), {
    family: 4,
    text: "255.1.2.3",
    word0: 0xff010203,
    word1: 0,
    word2: 0,
    word3: 0,
  });
  assert.deepEqual(parseIpAddress("fedc:ba98:7654:3210:f:e:d:c"), {
    family: 6,
    text: "fedc:ba98:7654:3210:f:e:d:c",
    word0: 0xfedcba98,
    word1: 0x76543210,
    word2: 0x000f000e,
    word3: 0x000d000c,
  });
});

const word = fc.oneof(
  fc.constantFrom(0, 0xffff, 0xffff0000, 1, 0xffffffff),
  fc.integer({ min: 0, max: 0xffffffff }),
);

Deno.test("parseIpAddress() reads what ipv6Address() writes", () => {
  fc.assert(fc.property(word, word, word, word, (word0, word1, word2, word3) => {
    const address = ipv6Address(word0, word1, word2, word3);
    assert.deepEqual(parseIpAddress(address.text), address);
  }));
});

Deno.test("parseIpAddress() agrees with ipaddr.js on every strict spelling", () => {
  const text = fc.oneof(
    fc.ipV6().filter((candidate) => !candidate.includes("%")),
    fc.ipV4(),
    fc.stringMatching(/^[0-9a-f:.]{2,20}$/),
    fc.array(fc.constantFrom("0", "1", "ffff", ":", "::", "1.2.3.4"), { maxLength: 12 }).map((parts) =>
      parts.join("")
    ),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      const ours = parseIpAddress(candidate);
      // ipaddr.js reads "1.2", octal and hexadecimal IPv4 unless asked for four parts, and zones always.
      const isStrict = candidate.includes(":")
        ? ipaddr.IPv6.isValid(candidate)
        : ipaddr.IPv4.isValidFourPartDecimal(candidate);
      if (!isStrict) return assert.equal(ours, undefined);
      // It reads ::1.2.3.4 as mapped, and leading zeros in an embedded dotted quad: the table above has those.
      if (candidate.includes(":") && candidate.includes(".")) return;
      const theirs = ipaddr.process(candidate);
      assert.equal(ours?.text, theirs instanceof ipaddr.IPv6 ? theirs.toRFC5952String() : theirs.toString());
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("isPrivate() knows addresses that no country database can know", async (t) => {
  const table: readonly [string, boolean][] = [
    ["9.255.255.255", false],
    ["10.0.0.0", true],
    ["10.255.255.255", true],
    ["11.0.0.0", false],
    ["100.63.255.255", false],
    ["100.64.0.0", true],
    ["100.127.255.255", true],
    ["100.128.0.0", false],
    ["126.255.255.255", false],
    ["127.0.0.1", true],
    ["128.0.0.0", false],
    ["169.253.255.255", false],
    ["169.254.0.0", true],
    ["169.255.0.0", false],
    ["172.15.255.255", false],
    ["172.16.0.0", true],
    ["172.31.255.255", true],
    ["172.32.0.0", false],
    ["192.167.255.255", false],
    ["192.168.0.1", true],
    ["192.169.0.0", false],
    ["::ffff:10.0.0.1", true],
    ["0.0.0.1", false],
    ["::", false],
    ["::1", true],
    ["::2", false],
    ["1::1", false],
    ["fbff::1", false],
    ["fc00::1", true],
    ["fdff::1", true],
    ["fe00::1", false],
    ["fe80::1", true],
    ["febf::1", true],
    ["fec0::1", false],
    ["2001:db8::1", false],
  ];
  for (const [text, expected] of table) {
    await t.step(text, () => {
      const address = parseIpAddress(text);
      assert(address !== undefined);
      assert.equal(isPrivate(address), expected);
    });
  }
});
