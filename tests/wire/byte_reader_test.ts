import assert from "node:assert/strict";
import { ByteReader } from "../../src/wire/byte_reader.ts";

const BYTES = Uint8Array.of(1, 2, 3, 4, 5, 6);

Deno.test("ByteReader reads big-endian integers and vectors", () => {
  const reader = new ByteReader(Uint8Array.of(9, 1, 2, 2, 7, 8, 0, 1, 5, 6), 1);
  assert.equal(reader.uint16(), 0x0102);
  assert.deepEqual([...reader.vector8().rest()], [7, 8]);
  assert.deepEqual([...reader.vector16().rest()], [5]);
  assert.equal(reader.remaining, 1);
  reader.skip(1);
  assert.equal(reader.remaining, 0);
  assert.equal(reader.failed, false);
});

Deno.test("ByteReader fails for good when a read goes past its end", async (t) => {
  const rows: readonly [string, (reader: ByteReader) => void][] = [
    ["uint8", (reader) => assert.equal((reader.skip(3), reader.uint8()), 0)],
    ["uint16", (reader) => assert.equal((reader.skip(2), reader.uint16()), 0)],
    ["skip", (reader) => reader.skip(4)],
    ["take", (reader) => assert.equal(reader.take(4).remaining, 0)],
    ["vector8", (reader) => assert.equal(reader.vector8().remaining, 0)],
    ["vector16", (reader) => assert.equal(reader.vector16().remaining, 0)],
  ];
  for (const [name, read] of rows) {
    await t.step(name, () => {
      const reader = new ByteReader(Uint8Array.of(9, ...BYTES).fill(9), 1, 4); // more bytes lie behind the end
      read(reader);
      assert.equal(reader.failed, true);
      assert.equal(reader.remaining, 0);
      assert.equal(reader.uint8(), 0);
    });
  }
});

Deno.test("ByteReader keeps a vector's reads inside the vector", () => {
  const reader = new ByteReader(BYTES);
  const vector = reader.take(2);
  assert.equal(vector.uint16(), 0x0102);
  assert.equal(vector.uint8(), 0);
  assert.equal(vector.failed, true);
  assert.equal(reader.failed, false);
  assert.equal(reader.uint8(), 3);
});
