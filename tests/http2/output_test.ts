import assert from "node:assert/strict";
import { FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES } from "../../src/http2/frames.ts";
import { OutputBuffer } from "../../src/http2/output.ts";
import { SpareMemory } from "../../src/http2/spare_memory.ts";
import { describe } from "./raw_peer.ts";

/** What one take holds at most: three DATA frames. */
const PIECE_BYTES = 3 * (FRAME_HEADER_BYTES + MAX_FRAME_BYTES);
const FULL = "DATA 1 16384";

function content(count: number): Uint8Array {
  return new Uint8Array(count).fill(0x61);
}

function takeAll(out: OutputBuffer): Uint8Array[] {
  const taken: Uint8Array[] = [];
  while (out.length > 0) taken.push(out.take());
  return taken;
}

Deno.test("OutputBuffer gives much content in pieces of one write, and every frame whole", () => {
  for (const part of [1_000, 16_384, 65_536, 100_000]) {
    const out = new OutputBuffer();
    for (let at = 0; at < 200_000; at += part) {
      out.data(
        1,
        content(Math.min(part, 200_000 - at)),
        0,
        Math.min(part, 200_000 - at),
        at + part >= 200_000,
      );
    }
    const length = out.length;
    const pieces = takeAll(out);
    assert.equal(pieces.reduce((sum, piece) => sum + piece.length, 0), length);
    for (const piece of pieces) assert(piece.length <= PIECE_BYTES);
    const frames = pieces.flatMap((piece) => describe(piece));
    assert.deepEqual(frames, [...Array(12).fill(FULL), "DATA 1 3392 end"], `${part}`);
  }
});

Deno.test("OutputBuffer writes into the memory that was given back, and allocates no more", () => {
  const out = new OutputBuffer();
  const turn = () => {
    out.data(1, content(400_000), 0, 400_000, false);
    const buffers: ArrayBufferLike[] = [];
    while (out.length > 0) {
      const taken = out.take();
      buffers.push(taken.buffer);
      out.giveBack(taken);
    }
    return new Set(buffers);
  };
  turn();
  const known = turn();
  for (let count = 0; count < 10; count++) assert.deepEqual([...turn().difference(known)], []);
});

Deno.test("OutputBuffer doesn't lend memory of which a part still waits", () => {
  const spare = new SpareMemory();
  spare.give(new Uint8Array(65_536));
  const out = new OutputBuffer(spare);
  out.data(1, content(10), 0, 10, false);
  const small = out.take();
  for (let count = 0; count < 4; count++) out.data(3, content(16_384), 0, 16_384, false);
  out.giveBack(small);
  for (let count = 0; count < 8; count++) out.data(5, content(16_384).fill(0x62), 0, 16_384, false);
  const taken = takeAll(out);
  const frames = taken.flatMap((piece) => describe(piece));
  assert.deepEqual(frames, [...Array(4).fill("DATA 3 16384"), ...Array(8).fill("DATA 5 16384")]);
  assert.equal(new Set(taken.map(({ buffer }) => buffer)).size, taken.length);
  assert.equal(taken[0]!.indexOf(0x62, FRAME_HEADER_BYTES), -1);
});

Deno.test("OutputBuffer tells what has left, and which control frames wait, piece by piece", () => {
  const out = new OutputBuffer();
  out.numberFrame(FrameType.WINDOW_UPDATE, 1, 1);
  const first = out.number;
  out.data(1, content(100_000), 0, 100_000, false);
  out.numberFrame(FrameType.WINDOW_UPDATE, 1, 1);
  const last = out.number;
  assert.deepEqual([out.takes, first, last, out.controlBytes], [0, 0, 2, 26]);
  const seen: number[][] = [];
  while (out.length > 0) {
    out.take();
    seen.push([out.takes, out.controlBytes]);
  }
  assert.deepEqual(seen, [[1, 13], [2, 13], [3, 0]]);
});
