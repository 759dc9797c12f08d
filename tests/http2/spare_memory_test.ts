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

Deno.test("SpareMemory keeps the largest pieces, up to its limits, until it is released", () => {
  const rows: [string, number[], number[]][] = [
    ["none is too small or too large", [4, 16, 600, 8, 64], [64, 16, 8]],
    ["all together are no more than 1.5 MiB", [512, 480, 8, 500, 100, 60], [512, 500, 480]],
    ["there are 16", [...Array(16).fill(8), 48, 16], [48, 16, ...Array(14).fill(8)]],
  ];
  for (const [name, given, kept] of rows) {
    const spare = new SpareMemory();
    for (const kib of given) spare.give(new Uint8Array(kib * KIB));
    const taken = kept.map((kib) => spare.take(kib * KIB)?.length);
    assert.deepEqual([taken, spare.take(1)], [kept.map((kib) => kib * KIB), undefined], name);
  }
  const spare = new SpareMemory();
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
