import assert from "node:assert/strict";
import { decodeAscii, decodeLatin1 } from "../../src/wire/latin1.ts";

Deno.test("decodeLatin1() keeps every byte at every length", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length: length + 2 }, (_, index) => (index * 37 + length) & 255);
    const expected = [...bytes.subarray(1, length + 1)].map((byte) => String.fromCharCode(byte)).join("");
    assert.equal(decodeLatin1(bytes, 1, length + 1), expected);
  }
  assert.equal(decodeLatin1(new Uint8Array(10_000).fill(0x80), 0, 10_000), "\x80".repeat(10_000));
});

Deno.test("decodeAscii() says the same of ASCII", () => {
  const bytes = Uint8Array.from({ length: 0x80 }, (_, byte) => byte);
  assert.equal(decodeAscii(bytes), decodeLatin1(bytes, 0, bytes.length));
});
