/** However the bytes are cut, the calls are the same; and no cut makes a fault or a call out of turn. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import { block, concat, frame, GET, POST, RawPeer, settings, uint32 } from "./raw_peer.ts";

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } =
  FrameType;
const REQUEST = {
  method: "GET",
  scheme: "https",
  authority: "a.test",
  path: "/",
  fields: [],
  neverIndexed: NEVER_INDEXED_NONE,
};
const LONG = block(...POST, "a", "x".repeat(300), "cookie", "b=c");
const LONG_RESPONSE = block(":status", "200", "a", "x".repeat(300));
const PADDED_HEADERS = [3, 0, 0, 0, 0, 9, ...block(...GET), 0, 0, 0];

/** Every frame type that a client may send, in every shape. */
const CLIENT_FRAMES = [
  PREFACE,
  settings([1, 100], [4, 5], [0xabcd, 1]),
  frame(SETTINGS, 1, 0),
  frame(HEADERS, 0x5, 1, block(...GET)),
  frame(HEADERS, 0x2d, 3, PADDED_HEADERS),
  frame(HEADERS, 0x0, 5, LONG.subarray(0, 10)),
  frame(CONTINUATION, 0x0, 5, LONG.subarray(10, 100)),
  frame(CONTINUATION, 0x0, 5),
  frame(CONTINUATION, 0x4, 5, LONG.subarray(100)),
  frame(DATA, 0, 5, new Uint8Array(100).fill(1)),
  frame(DATA, 8, 5, [7, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0]),
  frame(DATA, 8, 5, [0, 1]),
  frame(DATA, 8, 5, [2, 0, 0]),
  frame(DATA, 0, 5),
  frame(HEADERS, 0x5, 5, block("trailer-a", "b")),
  frame(PRIORITY, 0, 7, [0, 0, 0, 1, 1]),
  frame(HEADERS, 0x4, 7, block(...POST)),
  frame(DATA, 9, 7, [3, 4, 5, 0, 0, 0]),
  frame(HEADERS, 0x4, 9, block(...POST)),
  frame(DATA, 9, 9, [3, 0, 0, 0]),
  frame(HEADERS, 0x4, 11, block(...POST)),
  frame(DATA, 1, 11),
  frame(HEADERS, 0x4, 13, block(...POST)),
  frame(WINDOW_UPDATE, 0, 13, uint32(77)),
  frame(WINDOW_UPDATE, 0, 0, uint32(77)),
  frame(PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
  frame(0xee, 0xff, 0, [1, 2, 3]),
  frame(RST_STREAM, 0, 13, uint32(8)),
  frame(GOAWAY, 0, 0, [...uint32(0), ...uint32(0), 9, 9]),
];

/** The same of what a server may send. */
const SERVER_FRAMES = [
  settings([3, 50], [8, 1]),
  frame(SETTINGS, 1, 0),
  frame(HEADERS, 0x4, 1, block(":status", "103", "link", "x")),
  frame(HEADERS, 0x4, 1, block(":status", "200", "content-length", "4")),
  frame(DATA, 8, 1, [1, 1, 2, 0]),
  frame(DATA, 1, 1, [3, 4]),
  frame(HEADERS, 0x5, 3, block(":status", "204")),
  frame(HEADERS, 0x8, 7, [2, ...LONG_RESPONSE.subarray(0, 10), 0, 0]),
  frame(CONTINUATION, 0, 7, LONG_RESPONSE.subarray(10, 100)),
  frame(CONTINUATION, 4, 7, LONG_RESPONSE.subarray(100)),
  frame(DATA, 0, 7),
  frame(DATA, 0, 7, new Uint8Array(50).fill(2)),
  frame(PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
  frame(WINDOW_UPDATE, 0, 0, uint32(77)),
  frame(WINDOW_UPDATE, 0, 7, uint32(77)),
  frame(PRIORITY, 0, 7, [0, 0, 0, 1, 1]),
  frame(0xee, 0xff, 0, [1, 2, 3]),
  frame(HEADERS, 0x5, 7, block("trailer-a", "b")),
  frame(GOAWAY, 0, 0, [...uint32(7), ...uint32(0), 9]),
  frame(RST_STREAM, 0, 5, uint32(7)),
];

interface Outcome {
  readonly calls: string[];
  readonly content: [number, number[]][];
  readonly output: string[];
}

function runServer(parts: Uint8Array[]): Outcome {
  return outcome(new RawPeer({ role: "server" }), parts);
}

function runClient(parts: Uint8Array[]): Outcome {
  const peer = new RawPeer({ role: "client" });
  for (let index = 0; index < 4; index++) peer.connection.request(REQUEST, true);
  peer.connection.takeOutput();
  return outcome(peer, parts);
}

function outcome(peer: RawPeer, parts: Uint8Array[]): Outcome {
  for (const part of parts) {
    // The codec may not keep what it was given: the caller overwrites it.
    const lent = part.slice();
    peer.connection.receive(lent, 0);
    lent.fill(0xff);
  }
  return { calls: peer.recorder.calls, content: [...peer.recorder.content], output: peer.output() };
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const sorted = [0, ...at.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

for (
  const [name, frames, run] of [["server", CLIENT_FRAMES, runServer], [
    "client",
    SERVER_FRAMES,
    runClient,
  ]] as const
) {
  const bytes = concat(...frames);
  const whole = run([bytes]);

  Deno.test(`a ${name} takes the whole transcript without a fault`, () => {
    assert.ok(whole.calls.length >= 6, whole.calls.join());
    assert.equal(whole.calls.some((call) => call.startsWith("closed ")), false, whole.calls.join());
    assert.equal(whole.output.some((line) => /GOAWAY|RST/.test(line)), false, whole.output.join());
  });

  Deno.test(`a ${name} makes the same calls however its bytes are cut`, () => {
    for (let at = 0; at <= bytes.length; at++) assert.deepEqual(run(cut(bytes, [at])), whole, `cut at ${at}`);
    assert.deepEqual(run([...bytes].map((byte) => Uint8Array.of(byte))), whole, "byte by byte");
    const places = fc.array(fc.nat({ max: 0xffff }), { maxLength: 30 });
    fc.assert(fc.property(places, (list) => assert.deepEqual(run(cut(bytes, list)), whole)), {
      numRuns: 500,
    });
  });

  Deno.test(`a ${name} makes no call and no fault out of a frame that is not whole`, () => {
    let at = 0;
    for (const part of frames) {
      const before = run([bytes.subarray(0, at)]);
      const isContent = part[3] === DATA && part !== PREFACE;
      for (let end = at + 1; end < at + part.length; end++) {
        const { calls, output } = run([bytes.subarray(0, end)]);
        assert.deepEqual(calls, before.calls, `frame at ${at} cut at ${end - at}`);
        if (!isContent) assert.deepEqual(output, before.output, `frame at ${at} cut at ${end - at}`);
      }
      at += part.length;
    }
  });
}
