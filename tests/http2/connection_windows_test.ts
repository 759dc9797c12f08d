/** Flow control both ways: what waits, what goes out, what is given back, and how much is granted. */
import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import { describe, frame, GET, POST, RawPeer, settings, uint32 } from "./raw_peer.ts";

const { DATA, WINDOW_UPDATE } = FrameType;
const OK = { status: 200, fields: [], neverIndexed: NEVER_INDEXED_NONE };

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index & 255);
}

Deno.test("content waits for the stream's window, the connection's window, and goes out in order", () => {
  const peer = RawPeer.client({}, [4, 10]);
  peer.headers(1, GET);
  peer.connection.response(1, OK, false);
  peer.connection.data(1, bytes(25), false);
  peer.connection.trailers(1, ["a", "b"]);
  assert.deepEqual(peer.output(), ["HEADERS 1 200", "DATA 1 10"]);
  assert.equal(peer.connection.pending(1), 15);
  assert.equal(peer.recorder.takenBytes.get(1), 10);
  peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(5)));
  assert.deepEqual(peer.output(), ["DATA 1 5"]);
  peer.send(settings([4, 12]));
  assert.deepEqual(peer.output(), ["DATA 1 2"], "SETTINGS change open streams");
  peer.send(settings([4, 0]));
  peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(12)));
  assert.deepEqual(peer.output(), [], "a window can be negative");
  peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(8)));
  assert.deepEqual(peer.output(), ["DATA 1 8", "HEADERS 1 trailers a b end"]);
  assert.equal(peer.recorder.takenBytes.get(1), 25);
  assert.equal(peer.connection.openStreams, 0);
});

Deno.test("streams share the connection's window a frame at a time", () => {
  const peer = RawPeer.client({}, [4, 1_000_000]);
  for (const id of [1, 3, 5]) {
    peer.headers(id, GET);
    peer.connection.response(id, OK, false);
    peer.connection.data(id, bytes(60_000), true);
  }
  const first = peer.output().filter((line) => line.startsWith("DATA"));
  assert.deepEqual(first.slice(-2), ["DATA 1 10848 end", "DATA 3 5535"]);
  peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(65_536)));
  assert.deepEqual(peer.output().map((line) => line.split(" ")[1]), ["3", "5", "3", "5"]);
  peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(65_536)));
  for (const id of [1, 3, 5]) assert.equal(peer.recorder.takenBytes.get(id), 60_000);
  assert.equal(peer.connection.openStreams, 0);
});

Deno.test("content in crumbs leaves as one frame, and END_STREAM joins it", () => {
  const peer = RawPeer.client();
  peer.headers(1, GET);
  peer.headers(3, GET);
  peer.connection.response(1, OK, false);
  for (let part = 0; part < 100; part++) peer.connection.data(1, bytes(200), false);
  peer.connection.response(3, OK, false);
  peer.connection.data(1, bytes(1), false);
  peer.connection.data(1, bytes(0), true);
  peer.connection.data(3, bytes(0), true);
  assert.deepEqual(peer.output(), [
    "HEADERS 1 200",
    "DATA 1 16384",
    "DATA 1 3616",
    "HEADERS 3 200",
    "DATA 1 1 end",
    "DATA 3 0 end",
  ]);
});

Deno.test("a frame that was taken is never extended", () => {
  const peer = RawPeer.client();
  peer.headers(1, GET);
  peer.connection.response(1, OK, false);
  peer.connection.data(1, bytes(3), false);
  const taken = peer.connection.takeOutput();
  const copy = taken.slice();
  peer.connection.data(1, bytes(5), true);
  assert.deepEqual(taken, copy);
  assert.deepEqual(describe(peer.connection.takeOutput()), ["DATA 1 5 end"]);
});

Deno.test("padding is counted by the windows and given back by the codec itself", () => {
  const peer = RawPeer.client();
  peer.headers(1, POST, 0x4);
  for (let sent = 0; sent < 400; sent++) {
    peer.send(frame(DATA, 8, 1, [255, 0x61, ...new Uint8Array(255)]));
    peer.connection.credit(1, 1);
  }
  assert.equal(peer.recorder.isClosed, false);
  assert.equal(peer.recorder.content.get(1)?.length, 400);
  assert.ok(peer.output().some((line) => line.startsWith("WINDOW_UPDATE 1 ")));
});

Deno.test("stream credit goes back only when the owner gives it, a quarter of the window at a time", () => {
  const peer = RawPeer.client({ maxBufferedBytesPerConnection: 100 });
  peer.headers(1, POST, 0x4);
  peer.data(1, 16_000);
  assert.deepEqual(peer.output(), []);
  peer.connection.credit(1, 4_000);
  assert.deepEqual(peer.output(), []);
  peer.connection.credit(1, 200);
  assert.deepEqual(peer.output(), ["WINDOW_UPDATE 1 4200"]);
  peer.connection.credit(1, 1_000_000);
  assert.deepEqual(peer.output(), ["WINDOW_UPDATE 1 11800"], "never more than is held");
});

Deno.test("connection credit goes back on receipt", () => {
  const peer = RawPeer.client({ maxBufferedBytesPerConnection: 0, maxConcurrentStreams: 8 });
  for (let id = 1; id <= 7; id += 2) {
    peer.headers(id, POST, 0x4);
    peer.data(id, 16_384);
  }
  assert.deepEqual(peer.output().length, 2);
});

Deno.test("windows of all streams together stay within the budget, whatever was grown", () => {
  const budget = 1_048_576;
  const peer = RawPeer.client();
  let granted = 0;
  for (let id = 1; id <= 199; id += 2) {
    peer.headers(id, POST, 0x4);
    granted += 16_384;
    for (let turn = 0; turn < 8; turn++) {
      peer.data(id, 16_384);
      peer.connection.credit(id, turn < 7 ? 16_384 : 0);
      for (const line of peer.output()) {
        const [name, stream, bytes] = line.split(" ");
        if (name === "WINDOW_UPDATE" && Number(stream) === id) granted += Number(bytes);
      }
      granted -= turn < 7 ? 16_384 : 0;
    }
  }
  assert.ok(granted <= 100 * 16_384 + budget / 2, String(granted));
  assert.ok(granted > 100 * 16_384 + budget / 4, `${granted}: growth happens at all`);
});

Deno.test("bytes of an ended stream that the owner still holds count until it credits them", () => {
  const run = (credit: boolean) => {
    const peer = RawPeer.client();
    let raised = 0;
    for (let id = 1; id <= 999; id += 2) {
      peer.headers(id, POST, 0x4);
      peer.data(id, 10_000);
      peer.connection.credit(id, 1);
      raised += peer.output().filter((line) => line.startsWith(`WINDOW_UPDATE ${id} `)).length;
      peer.data(id, 1, 1);
      peer.connection.response(id, OK, true);
      if (credit) peer.connection.credit(id, 10_000);
    }
    return raised;
  };
  assert.equal(run(true), 500);
  assert.ok(run(false) < 100);
});

Deno.test("a window grows only when its content is taken, and by no more than the owner allows", () => {
  const rows: readonly [taken: number, growthMax: number | undefined, grown: number][] = [
    [1, 0, 0],
    [1, 5_000, 5_000],
    [16_384, undefined, 49_152],
  ];
  for (const [taken, growthMax, grown] of rows) {
    const peer = RawPeer.client();
    peer.headers(1, POST, 0x4);
    peer.data(1, 16_384);
    assert.deepEqual(peer.output(), [], "nothing is announced on receipt");
    assert.equal(peer.connection.credit(1, taken, growthMax), grown);
    const announced = taken + grown >= (16_384 + grown) >> 2 ? [`WINDOW_UPDATE 1 ${taken + grown}`] : [];
    assert.deepEqual(peer.output(), announced);
    assert.equal(peer.connection.heldBytes, 16_384 - taken);
  }
});

Deno.test("heldBytes counts what the owner holds until it is credited or the owner resets the stream", () => {
  const peer = RawPeer.client();
  for (const id of [1, 3, 5]) {
    peer.headers(id, POST, 0x4);
    peer.data(id, 1_000);
  }
  assert.equal(peer.connection.heldBytes, 3_000);
  peer.connection.credit(1, 400);
  assert.equal(peer.connection.heldBytes, 2_600);
  peer.connection.reset(1, 8);
  assert.equal(peer.connection.heldBytes, 2_000);
  peer.send(frame(FrameType.RST_STREAM, 0, 3, uint32(8)));
  assert.equal(peer.connection.heldBytes, 2_000, "the owner holds it still");
  peer.connection.credit(3, 1_000);
  peer.connection.credit(3, 1_000);
  assert.equal(peer.connection.heldBytes, 1_000);
});
