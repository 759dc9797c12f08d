/** How streams and connections end, and what keeps them alive. */
import assert from "node:assert/strict";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { ErrorCode, NEVER_INDEXED_NONE, type RequestHead } from "../../src/wire/http_handler.ts";
import { block, concat, frame, GET, POST, RawPeer, readFrames, settings, uint32 } from "./raw_peer.ts";

const { DATA, HEADERS, SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE, PRIORITY } = FrameType;
const OK = { status: 200, fields: [], neverIndexed: NEVER_INDEXED_NONE };
const REQUEST: RequestHead = {
  method: "GET",
  scheme: "https",
  authority: "a.test",
  path: "/",
  fields: [],
  neverIndexed: NEVER_INDEXED_NONE,
};

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index & 255);
}

Deno.test("PING is answered with its own bytes", () => {
  const peer = RawPeer.client();
  peer.send(frame(PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]));
  const [answer] = readFrames(peer.connection.takeOutput());
  assert.deepEqual([answer!.type, answer!.flags, ...answer!.payload], [PING, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("unknown frames, settings and flags, and PRIORITY, change nothing", () => {
  const peer = RawPeer.client();
  peer.send(
    frame(0xbb, 0xff, 7, bytes(100)),
    settings([0xffff, 1], [9, 1]),
    frame(PRIORITY, 0, 99, [0, 0, 0, 1, 1]),
  );
  peer.send(frame(HEADERS, 0xff & ~0x28, 1, block(...GET)), frame(SETTINGS, 0xfe, 0));
  assert.deepEqual(peer.output(), []);
  assert.deepEqual(peer.recorder.calls, ["request 1 GET a.test / end"]);
});

Deno.test("the peer's reset reaches the owner with its code, and the stream is gone", () => {
  const peer = RawPeer.client();
  peer.headers(1, POST, 0x4);
  peer.send(frame(RST_STREAM, 0, 1, uint32(8)), frame(RST_STREAM, 0, 1, uint32(8)));
  assert.deepEqual(peer.recorder.calls.slice(1), ["reset 1 CANCEL by peer"]);
  peer.connection.response(1, OK, false);
  peer.connection.data(1, bytes(3), true);
  peer.connection.trailers(1, ["a", "b"]);
  peer.connection.reset(1, 0);
  assert.deepEqual(peer.output(), []);
});

Deno.test("the owner's reset throws pending content away and never ends the stream", () => {
  const peer = RawPeer.client({}, [4, 10]);
  peer.headers(1, GET);
  peer.connection.response(1, OK, false);
  peer.connection.data(1, bytes(50), true);
  peer.connection.reset(1, ErrorCode.INTERNAL_ERROR);
  peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(1_000)));
  assert.deepEqual(peer.output(), ["HEADERS 1 200", "DATA 1 10", "RST_STREAM 1 INTERNAL_ERROR"]);
  assert.equal(peer.connection.bufferedBytes < 100, true);
});

Deno.test("goAway() is announced, then fixed, then the last stream closes the connection", () => {
  const peer = RawPeer.client();
  peer.headers(1, GET);
  peer.connection.goAway(0);
  peer.headers(3, GET);
  peer.connection.goAway(0);
  peer.headers(5, GET);
  peer.data(5, 0, 1);
  peer.connection.goAway(0);
  assert.deepEqual(peer.output(), ["GOAWAY 2147483647 NO_ERROR", "GOAWAY 3 NO_ERROR"]);
  peer.connection.response(1, OK, true);
  assert.equal(peer.recorder.isClosed, false);
  peer.connection.response(3, OK, true);
  assert.deepEqual(peer.recorder.calls, [
    "request 1 GET a.test / end",
    "request 3 GET a.test / end",
    "closed",
  ]);
});

Deno.test("a client learns from GOAWAY what is safe to retry, and asks for nothing more", () => {
  const peer = RawPeer.server();
  for (let index = 0; index < 3; index++) peer.connection.request(REQUEST, true);
  peer.output();
  peer.send(frame(GOAWAY, 0, 0, [...uint32(0x7fffffff), ...uint32(0)]));
  assert.equal(peer.connection.canRequest, false);
  assert.equal(peer.connection.request(REQUEST, true), undefined);
  peer.send(frame(GOAWAY, 0, 0, [...uint32(3), ...uint32(0), 1, 2, 3]));
  peer.headers(1, [":status", "200"]);
  peer.headers(3, [":status", "200"]);
  assert.deepEqual(peer.recorder.calls, [
    "goAway 2147483647 NO_ERROR",
    "goAway 3 NO_ERROR",
    "reset 5 REFUSED_STREAM by peer safe",
    "response 1 200 end",
    "response 3 200 end",
    "closed",
  ]);
});

Deno.test("a request is safe to retry when refused or when not a byte of it has left", () => {
  const peer = RawPeer.server();
  peer.connection.request(REQUEST, true);
  peer.connection.request(REQUEST, true);
  peer.output();
  peer.connection.request(REQUEST, true);
  peer.send(frame(RST_STREAM, 0, 1, uint32(ErrorCode.REFUSED_STREAM)));
  peer.connection.receiveEnd(0);
  assert.deepEqual(peer.recorder.calls, [
    "reset 1 REFUSED_STREAM by peer safe",
    "reset 3 INTERNAL_ERROR by peer",
    "reset 5 INTERNAL_ERROR by peer safe",
    "closed INTERNAL_ERROR",
  ]);
});

Deno.test("a request behind content that leaves in several writes is safe to retry until its own has come", () => {
  for (const [takes, isSafe] of [[1, true], [2, true], [3, false]] as const) {
    const peer = RawPeer.server({}, [4, 1_000_000]);
    peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
    peer.connection.request(REQUEST, false);
    peer.connection.data(1, new Uint8Array(120_000), true);
    peer.connection.request(REQUEST, true);
    for (let count = 0; count < takes; count++) peer.connection.takeOutput();
    peer.connection.receiveEnd(0);
    assert(
      peer.recorder.calls.includes(`reset 3 INTERNAL_ERROR by peer${isSafe ? " safe" : ""}`),
      `${takes}`,
    );
  }
});

Deno.test("a client keeps to the server's stream limit, and its own", () => {
  const peer = RawPeer.server({ maxConcurrentStreams: 3 }, [3, 2]);
  const ids = [1, 2, 3].map(() => peer.connection.request(REQUEST, true));
  assert.deepEqual(ids, [1, 3, undefined]);
  peer.send(settings([3, 100]));
  assert.deepEqual([peer.connection.request(REQUEST, true), peer.connection.request(REQUEST, true)], [
    5,
    undefined,
  ]);
});

Deno.test("the end of the peer's bytes resets what is open; a quiet end is no error", () => {
  const peer = RawPeer.client();
  peer.headers(1, POST, 0x4);
  peer.connection.receiveEnd(0);
  assert.deepEqual(peer.recorder.calls.slice(1), ["reset 1 CANCEL by peer", "closed CANCEL"]);
  const quiet = RawPeer.client();
  quiet.connection.receiveEnd(0);
  assert.deepEqual(quiet.recorder.calls, ["closed"]);
});

Deno.test("tick() ends a connection without SETTINGS ACK, and keeps one alive by PING", () => {
  const silent = new RawPeer({ role: "server", settingsTimeoutMs: 1_000 });
  silent.send(PREFACE, settings());
  silent.connection.tick(1_000);
  assert.equal(silent.recorder.isClosed, false);
  silent.connection.tick(1_001);
  assert.equal(silent.recorder.calls.at(-1), "closed SETTINGS_TIMEOUT");
  const peer = RawPeer.client({ pingIntervalMs: 5_000, pingTimeoutMs: 2_000 });
  peer.connection.tick(4_999);
  assert.deepEqual(peer.output(), []);
  peer.connection.tick(5_000);
  const [ping] = readFrames(peer.connection.takeOutput());
  peer.nowMs = 6_000;
  peer.send(frame(PING, 1, 0, ping!.payload));
  peer.connection.tick(10_999);
  assert.deepEqual(peer.output(), []);
  peer.connection.tick(11_000);
  assert.deepEqual(peer.output(), ["PING 0 8"]);
  peer.connection.tick(13_001);
  assert.equal(peer.recorder.error?.detail, "the peer did not answer a PING in time");
});

Deno.test("calls of the owner from inside a call of the codec are safe", () => {
  const peer = RawPeer.client();
  peer.recorder.onRequest = (id, _head, end) => {
    if (id === 3) return peer.connection.reset(id, ErrorCode.CANCEL);
    peer.connection.response(id, OK, end);
  };
  peer.recorder.onData = (id, content, end) => {
    if (id === 5) return peer.connection.reset(id, ErrorCode.CANCEL);
    peer.connection.data(id, content, end);
    peer.connection.credit(id, content.length);
  };
  const parts = [1, 3, 5].flatMap((id) => [
    frame(HEADERS, 4, id, block(...POST)),
    frame(DATA, 0, id, bytes(10)),
    frame(DATA, 1, id, bytes(20)),
  ]);
  peer.send(concat(...parts));
  assert.deepEqual(peer.output(), [
    "HEADERS 1 200",
    "DATA 1 30 end",
    "RST_STREAM 3 CANCEL",
    "HEADERS 5 200",
    "RST_STREAM 5 CANCEL",
  ]);
  assert.equal(peer.connection.openStreams, 0);
});
