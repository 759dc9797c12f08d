import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIpBytes, isIpv4Mapped, parseIpBytes } from "../../src/wire/ip_bytes.ts";

/** Text, and the canonical text of the same address; RFC 5952's own examples among them. */
const ADDRESSES: readonly [text: string, canonical: string][] = [
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:0DB8::0001", "2001:db8::1"],
  ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
  ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
  ["::ffff:c000:201", "::ffff:192.0.2.1"],
  ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
];

const NOT_ADDRESSES: readonly string[] = [
  ..."|1.2.3|1.2.3.4.5|1.2.3.|.1.2.3|01.2.3.4|1.2.3.256|1.2.3.-1|+1.2.3.4|1.2.3.4 | 1.2.3.4|1.2.3.0x4".split(
    "|",
  ),
  ...":|:::|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|::1:2:3:4:5:6:7:8|1::2::3|12345::|g::".split(
    "|",
  ),
  ..."fe80::1%eth0|[::1]|::1.2.3|1.2.3.4::|::1.2.3.4:5|1:2:3:4:5:6:7:1.2.3.4|:1::|1:::2|::01.2.3.4|::-1"
    .split("|"),
  "0000:0000:0000:0000:0000:ffff:255.255.255.2555",
];

Deno.test("parseIpBytes() and formatIpBytes() give the canonical text", async (t) => {
  for (const [text, canonical] of ADDRESSES) {
    await t.step(text, () => {
      const bytes = parseIpBytes(text);
      assert(bytes !== undefined);
      assert.equal(formatIpBytes(bytes), canonical);
    });
  }
});

Deno.test("parseIpBytes() refuses what is no address", async (t) => {
  for (const text of NOT_ADDRESSES) await t.step(text, () => assert.equal(parseIpBytes(text), undefined));
});

Deno.test("parseIpBytes() reads back what formatIpBytes() writes", () => {
  const sparse = fc.array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes));
  const any = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    sparse,
  );
  fc.assert(fc.property(any, (bytes) => {
    assert.deepEqual(parseIpBytes(formatIpBytes(bytes)), bytes);
  }));
});

Deno.test("isIpv4Mapped() knows ::ffff:0:0/96 alone", () => {
  const isMapped = (text: string) => isIpv4Mapped(parseIpBytes(text)!);
  assert.equal(isMapped("::ffff:192.0.2.1"), true);
  for (const text of ["192.0.2.1", "::192.0.2.1", "::fffe:192.0.2.1", "1::ffff:192.0.2.1", "::1:ffff:0:0"]) {
    assert.equal(isMapped(text), false, text);
  }
});
