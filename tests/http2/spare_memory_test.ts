import assert from "node:assert/strict";
import { BACKEND_SPARE, CLIENT_SPARE, SpareMemory } from "../../src/http2/spare_memory.ts";

const KIB = 1_024;

Deno.test("SpareMemory gives a piece that was given to it, once", () => {
  const spare = new SpareMemory();
  const piece = new Uint8Array(64 * KIB);
  spare.give(piece);
  assert.equal(spare.take(64 * KIB + 1), undefined);
  assert.equal(spare.take(100), piece);
  assert.equal(spare.take(100), undefined);
});

Deno.test("SpareMemory keeps the three largest pieces, up to its limit, until it is released", () => {
  const spare = new SpareMemory();
  for (const kib of [4, 16, 600, 8, 32, 64]) spare.give(new Uint8Array(kib * KIB));
  const taken = [spare.take(1), spare.take(1), spare.take(1), spare.take(1)];
  assert.deepEqual(taken.map((piece) => (piece?.length ?? 0) / KIB).toSorted((a, b) => a - b), [
    0,
    16,
    32,
    64,
  ]);
  spare.give(new Uint8Array(64 * KIB));
  spare.release();
  assert.equal(spare.take(1), undefined);
});

Deno.test("SpareMemory gives a client's connection nothing that is far too large, a backend's any", () => {
  for (const [limits, isGiven] of [[CLIENT_SPARE, false], [BACKEND_SPARE, true]] as const) {
    const spare = new SpareMemory(limits);
    spare.give(new Uint8Array(512 * KIB));
    assert.equal(spare.take(16 * KIB) !== undefined, isGiven);
    if (!isGiven) assert.notEqual(spare.take(256 * KIB), undefined);
    spare.release();
    spare.give(new Uint8Array(64 * KIB));
    assert.equal(spare.takeToHold(16 * KIB) !== undefined, isGiven);
    if (!isGiven) assert.notEqual(spare.takeToHold(32 * KIB), undefined);
  }
});
