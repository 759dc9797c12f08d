import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32c } from "../../src/wire/crc32c.ts";

const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);

/** The examples of RFC 3720 §B.4, and the usual check value. */
const TABLE: readonly [name: string, bytes: Uint8Array, expected: number][] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 ascending", ascending, 0x46dd794e],
  ["32 descending", ascending.toReversed(), 0x113fdb5c],
];

Deno.test("crc32c() gives RFC 3720's examples", async (t) => {
  for (const [name, bytes, expected] of TABLE) {
    await t.step(name, () => assert.equal(crc32c(bytes), expected));
  }
});

Deno.test("crc32c() goes on from a previous sum", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.nat(), (bytes, at) => {
    assert.equal(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at))), crc32c(bytes));
  }));
});
