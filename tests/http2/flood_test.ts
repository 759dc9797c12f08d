/** Each flood ends with ENHANCE_YOUR_CALM and its kind; what honest peers do at full speed doesn't. */
import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { FloodKind, TokenBucket } from "../../src/http2/flood.ts";
import type { Http2Options } from "../../src/http2/options.ts";
import { FLOOD_KINDS } from "../../src/observe/counters.ts";
import { ErrorCode, NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import { block, describe, frame, GET, POST, RawPeer, settings, uint32 } from "./raw_peer.ts";

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION } = FrameType;
const OK = { status: 200, fields: [], neverIndexed: NEVER_INDEXED_NONE };

/** A literal field with indexing whose value has 4,000 bytes: nearly the whole table. */
const LONG_ENTRY = [0x40, 1, 0x61, 0x7f, 0xa1, 0x1e, ...new Uint8Array(4_000).fill(0x62)];

/** Repeats an attack until the connection ends, and says how many rounds it took and how it was named. */
function attack(
  rounds: number,
  options: Partial<Http2Options>,
  round: (peer: RawPeer, index: number) => void,
) {
  const peer = RawPeer.client(options);
  let index = 0;
  while (index < rounds && !peer.recorder.isClosed) {
    round(peer, index++);
    if (!peer.recorder.isClosed) peer.connection.takeOutput();
  }
  return { rounds: index, flood: peer.recorder.error?.flood, code: peer.recorder.error?.code, peer };
}

const LIMITS = { maxResetsBurst: 50, maxControlFramesPerSecond: 20, maxHeaderBytes: 10_000 };

Deno.test("each flood ends with ENHANCE_YOUR_CALM and is named", async (t) => {
  const rows: [string, number, (peer: RawPeer, index: number) => void][] = [
    ["reset", 51, (peer, index) => {
      peer.headers(1 + index * 2, GET);
      peer.send(frame(RST_STREAM, 0, 1 + index * 2, uint32(8)));
    }],
    ["reset_made", 51, (peer, index) => {
      peer.headers(1 + index * 2, POST, 0x4);
      peer.send(frame(WINDOW_UPDATE, 0, 1 + index * 2, uint32(0)));
    }],
    ["reset_made", 51, (peer, index) => peer.headers(1 + index * 2, ["a", "b"])],
    ["reset_made", 51, (peer, index) => peer.headers(1 + index * 2, [...GET, "a", "x".repeat(11_000)], 0x4)],
    ["streams", 151, (peer, index) => peer.headers(1 + index * 2, POST, 0x4)],
    ["streams", 51, (peer, index) => {
      if (index === 0) {
        peer.headers(1, POST, 0x4);
        peer.connection.goAway(ErrorCode.CANCEL);
      }
      peer.headers(3 + index * 2, GET);
    }],
    ["ping", 21, (peer) => peer.send(frame(PING, 0, 0, new Uint8Array(8)))],
    ["ping", 21, (peer) => peer.send(frame(PING, 1, 0, new Uint8Array(8)))],
    // Two were the handshake's.
    ["settings", 19, (peer) => peer.send(settings())],
    ["settings", 19, (peer) => peer.send(frame(SETTINGS, 1, 0))],
    ["settings", 19, (peer) => peer.send(frame(FrameType.GOAWAY, 0, 0, new Uint8Array(8)))],
    ["priority", 21, (peer) => peer.send(frame(PRIORITY, 0, 9, [0, 0, 0, 1, 1]))],
    ["priority", 21, (peer) => peer.send(frame(0xcc, 0, 0))],
    ["window_update", 21, (peer) => peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(1)))],
    // Content asked for byte by byte (CVE-2019-9511). The stream earned two, the bytes next to nothing.
    ["window_update", 23, (peer, index) => {
      if (index === 0) {
        peer.send(settings([4, 0]));
        peer.headers(1, GET);
        peer.connection.response(1, OK, false);
        peer.connection.data(1, new Uint8Array(10_000), true);
      }
      peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
    }],
    // The stream itself earned one.
    ["empty_data", 22, (peer, index) => {
      if (index === 0) peer.headers(1, POST, 0x4);
      peer.data(1, 0);
    }],
    ["empty_data", 22, (peer, index) => {
      if (index === 0) {
        peer.headers(1, POST, 0x4);
        peer.connection.reset(1, ErrorCode.NO_ERROR);
      }
      peer.data(1, 0, 1);
    }],
    ["empty_data", 22, (peer, index) => {
      if (index === 0) peer.headers(1, POST, 0x4);
      peer.send(frame(DATA, 8, 1, [20, ...new Uint8Array(20)]));
    }],
    ["continuation", 18, (peer, index) => {
      peer.send(index === 0 ? frame(HEADERS, 0, 1) : frame(CONTINUATION, 0, 1));
    }],
    ["header_bytes", 3, (peer, index) => {
      peer.send(frame(index === 0 ? HEADERS : CONTINUATION, 0, 1, new Uint8Array(9_000)));
    }],
    ["header_expansion", 1, (peer) => {
      peer.send(frame(HEADERS, 5, 1, [...block(...GET), ...LONG_ENTRY, ...new Uint8Array(4_000).fill(0xbe)]));
    }],
    ["buffered_bytes", 34, (peer, index) => {
      if (index === 0) peer.send(settings([4, 0]));
      peer.headers(1 + index * 2, GET);
      peer.connection.response(1 + index * 2, OK, false);
      peer.connection.data(1 + index * 2, new Uint8Array(64_000), false);
    }],
    ["buffered_bytes", 34, (peer, index) => {
      if (index === 0) peer.send(settings([4, 0]));
      peer.headers(1 + index * 2, GET);
      peer.connection.response(1 + index * 2, OK, false);
      peer.connection.data(1 + index * 2, new Uint8Array(1), false);
      peer.connection.trailers(1 + index * 2, ["a", "b".repeat(64_000)]);
    }],
  ];
  for (const [flood, rounds, round] of rows) {
    await t.step(`${flood} after ${rounds}`, () => {
      const result = attack(100_000, LIMITS, round);
      assert.deepEqual([result.flood, result.rounds], [flood, rounds]);
      assert.equal(result.code, ErrorCode.ENHANCE_YOUR_CALM);
      assert.match(describe(result.peer.connection.takeOutput()).at(-1)!, /^GOAWAY \d+ ENHANCE_YOUR_CALM$/);
    });
  }
});

Deno.test("the metric counts each kind of flood", () => {
  assert.deepEqual(Object.values(FloodKind).toSorted(), FLOOD_KINDS.toSorted());
});

Deno.test("answers that nobody reads end the connection", () => {
  const peer = RawPeer.client({ maxControlFramesPerSecond: 1e6 });
  for (let index = 0; index < 10_000 && !peer.recorder.isClosed; index++) {
    peer.send(frame(PING, 0, 0, new Uint8Array(8)));
  }
  assert.equal(peer.recorder.error?.flood, "unread_output");
  assert.ok(peer.connection.bufferedBytes < 100_000);
});

Deno.test("responses that the codec gives by itself and nobody reads end the connection", () => {
  const peer = RawPeer.client({ maxHeaderBytes: 100 });
  const tooLong = block(...GET, "a", "x".repeat(100));
  for (let id = 1; id < 20_000 && !peer.recorder.isClosed; id += 2) peer.send(frame(HEADERS, 5, id, tooLong));
  assert.equal(peer.recorder.error?.flood, "unread_output");
  assert.ok(peer.connection.bufferedBytes < 70_000);
});

Deno.test("a backend's floods end its connection too, each with its name", async (t) => {
  const REQUEST = { method: "GET", scheme: "http", authority: "a", path: "/", fields: [] };
  const open = (peer: RawPeer) => {
    const id = peer.connection.request({ ...REQUEST, neverIndexed: NEVER_INDEXED_NONE }, true)!;
    peer.connection.takeOutput();
    return id;
  };
  const rows: [string, number, (peer: RawPeer, id: number, index: number) => void][] = [
    ["ping", 21, (peer) => peer.send(frame(PING, 0, 0, new Uint8Array(8)))],
    ["settings", 19, (peer) => peer.send(settings())],
    ["settings", 19, (peer) => peer.send(frame(FrameType.GOAWAY, 0, 0, [0, 0, 0, 9, 0, 0, 0, 0]))],
    ["priority", 23, (peer) => peer.send(frame(0xcc, 0, 0))],
    ["window_update", 23, (peer) => peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(1)))],
    ["empty_data", 22, (peer, id, index) => {
      if (index === 0) peer.headers(id, [":status", "200"], 0x4);
      peer.data(id, 0);
    }],
    ["reset_made", 51, (peer, id, index) => {
      if (index === 0) peer.headers(id, [":status", "200"]);
      // The codec remembers what it has reset, so each is a stream of its own that ended in good order.
      const other = open(peer);
      peer.headers(other, [":status", "200"]);
      peer.data(other, 1);
    }],
    ["continuation", 18, (peer, id, index) => {
      peer.send(index === 0 ? frame(HEADERS, 0, id) : frame(CONTINUATION, 0, id));
    }],
    ["header_bytes", 3, (peer, id, index) => {
      peer.send(frame(index === 0 ? HEADERS : CONTINUATION, 0, id, new Uint8Array(9_000)));
    }],
    ["header_expansion", 1, (peer, id) => {
      peer.send(frame(HEADERS, 5, id, [0x88, ...LONG_ENTRY, ...new Uint8Array(4_000).fill(0xbe)]));
    }],
  ];
  for (const [flood, expected, round] of rows) {
    await t.step(`${flood} after ${expected}`, () => {
      const peer = RawPeer.server(LIMITS);
      const id = open(peer);
      let rounds = 0;
      while (rounds < 1_000 && !peer.recorder.isClosed) {
        round(peer, id, rounds++);
        if (!peer.recorder.isClosed) peer.connection.takeOutput();
      }
      assert.deepEqual([peer.recorder.error?.flood, rounds], [flood, expected]);
      assert.equal(peer.recorder.error?.code, ErrorCode.ENHANCE_YOUR_CALM);
    });
  }
});

Deno.test("a download through a small window, given back 512 bytes at a time, is no flood", () => {
  const peer = RawPeer.client({}, [4, 1_000]);
  peer.headers(1, GET);
  peer.connection.response(1, OK, false);
  peer.connection.data(1, new Uint8Array(1_000_000), true);
  for (let left = 1_000_000; left > 0; left -= 512) {
    peer.connection.takeOutput();
    peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(512)), frame(WINDOW_UPDATE, 0, 0, uint32(512)));
  }
  assert.deepEqual([peer.recorder.isClosed, peer.connection.openStreams], [false, 0]);
});

Deno.test("an HPACK bomb costs no more than its bytes", () => {
  const peer = RawPeer.client();
  peer.send(
    frame(HEADERS, 5, 1, [...block(...GET), ...LONG_ENTRY]),
  );
  const startMs = performance.now();
  const before = peer.connection.bufferedBytes;
  for (let index = 1; index < 200; index++) {
    if (peer.recorder.isClosed) break;
    peer.send(frame(HEADERS, 5, 1 + index * 2, [...block(...GET), ...new Uint8Array(16_000).fill(0xbe)]));
  }
  assert.equal(peer.recorder.error?.flood, "header_expansion", peer.recorder.error?.detail ?? "none");
  assert.ok(performance.now() - startMs < 1_000);
  assert.ok(peer.connection.bufferedBytes - before < 1_000);
});

Deno.test("rates come back with time", () => {
  const bucket = new TokenBucket(10, 5);
  for (let index = 0; index < 5; index++) assert.equal(bucket.take(0), true);
  assert.equal(bucket.take(99), false);
  assert.equal(bucket.take(110), true);
  assert.equal(bucket.take(50), false, "time that goes backwards gives nothing");
  assert.equal(bucket.take(110), false, "nor the same time twice");
  bucket.earn(1e9);
  for (let index = 0; index < 50; index++) assert.equal(bucket.take(110), true);
  assert.equal(bucket.take(110), false, "what is earned is bounded");
});

Deno.test("33 resets a second go on for ever, and resets that the owner asks for don't count", () => {
  const slow = attack(1_000, LIMITS, (peer, index) => {
    peer.nowMs = index * 31;
    peer.headers(1 + index * 2, GET);
    peer.send(frame(RST_STREAM, 0, 1 + index * 2, uint32(8)));
  });
  assert.equal(slow.flood, undefined);
  const owner = attack(1_000, LIMITS, (peer, index) => {
    peer.headers(1 + index * 2, POST, 0x4);
    peer.connection.reset(1 + index * 2, ErrorCode.NO_ERROR);
  });
  assert.equal(owner.flood, undefined);
});

Deno.test("a backend may reset as many streams as it likes", () => {
  const peer = RawPeer.server({ maxResetsBurst: 10 });
  for (let index = 0; index < 100; index++) {
    const id = peer.connection.request(
      {
        method: "GET",
        scheme: "http",
        authority: "a",
        path: "/",
        fields: [],
        neverIndexed: NEVER_INDEXED_NONE,
      },
      true,
    )!;
    peer.connection.takeOutput();
    peer.send(frame(RST_STREAM, 0, id, uint32(2)));
  }
  assert.equal(peer.recorder.isClosed, false);
});

Deno.test("a fast download's WINDOW_UPDATEs and gRPC's PINGs are no flood", () => {
  const peer = RawPeer.client({}, [4, 1_000_000]);
  peer.headers(1, GET);
  peer.connection.response(1, OK, false);
  for (let index = 0; index < 20_000; index++) {
    peer.connection.data(1, new Uint8Array(1_000), false);
    peer.connection.takeOutput();
    peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(1_000)), frame(WINDOW_UPDATE, 0, 0, uint32(1_000)));
    peer.send(frame(PING, 0, 0, new Uint8Array(8)));
  }
  assert.equal(peer.recorder.isClosed, false);
});

Deno.test("requests at full speed with a PRIORITY and a WINDOW_UPDATE each are no flood", () => {
  const { flood, rounds } = attack(5_000, {}, (peer, index) => {
    const id = 1 + index * 2;
    peer.headers(id, GET);
    peer.send(frame(PRIORITY, 0, id, [0, 0, 0, 0, 1]), frame(WINDOW_UPDATE, 0, id, uint32(100)));
    peer.connection.response(id, OK, true);
  });
  assert.deepEqual([flood, rounds], [undefined, 5_000]);
});
