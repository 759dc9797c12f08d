/** What a connection does when all is well: heads, content, windows, trailers, ends, in both roles. */
import assert from "node:assert/strict";
import { Http2Connection } from "../../src/http2/connection.ts";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { ErrorCode, NEVER_INDEXED_NONE, type RequestHead } from "../../src/wire/http_handler.ts";
import {
  block,
  concat,
  describe,
  frame,
  GET,
  POST,
  RawPeer,
  readFrames,
  Recorder,
  settings,
  uint32,
} from "./raw_peer.ts";

const { DATA, HEADERS, SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE, PRIORITY, CONTINUATION } =
  FrameType;
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

Deno.test("a server announces its settings at once, a client behind the preface", () => {
  const server = new Http2Connection(new Recorder(), { role: "server", enableConnectProtocol: true });
  assert.deepEqual(readFrames(server.takeOutput())[0]!.payload.length, 6 * 6);
  const client = new Http2Connection(new Recorder(), { role: "client" });
  const output = client.takeOutput();
  assert.deepEqual(output.subarray(0, PREFACE.length), PREFACE);
  const payload = readFrames(output)[0]!.payload;
  assert.deepEqual([...payload.subarray(18)], [0, 2, 0, 0, 0, 0], "ENABLE_PUSH 0");
});

Deno.test("a request's head arrives whole, with host, crumbs and sensitivity as sent", () => {
  const peer = RawPeer.client();
  peer.headers(1, [
    ...GET,
    "host",
    "A.test:443",
    "cookie",
    "a=1",
    "cookie",
    "b=2",
    "te",
    "trailers",
    "x-y",
    "",
  ]);
  assert.deepEqual(peer.recorder.heads.get(1), {
    ...REQUEST,
    fields: ["cookie", "a=1", "cookie", "b=2", "te", "trailers", "x-y", ""],
    neverIndexed: new Set(["cookie"]),
  });
  peer.headers(3, [
    ":method",
    "OPTIONS",
    ":scheme",
    "http",
    ":path",
    "*",
    "host",
    "b.test",
  ]);
  const { authority, path, scheme } = peer.recorder.heads.get(3) as RequestHead;
  assert.deepEqual([authority, path, scheme], ["b.test", "*", "http"]);
  peer.headers(5, [":method", "CONNECT", ":authority", "b.test:80"], 0x4);
  assert.deepEqual(peer.recorder.calls.at(-1), "request 5 CONNECT b.test:80 ");
});

Deno.test("extended CONNECT is taken when announced", () => {
  const peer = RawPeer.client({ enableConnectProtocol: true });
  peer.headers(1, [":method", "CONNECT", ":protocol", "websocket", ...GET.slice(2)], 0x4);
  assert.equal((peer.recorder.heads.get(1) as RequestHead).protocol, "websocket");
  peer.headers(3, [":method", "GET", ":protocol", "websocket", ...GET.slice(2)], 0x4);
  assert.deepEqual(peer.output(), ["RST_STREAM 3 PROTOCOL_ERROR"], "only with CONNECT");
});

Deno.test("a client asks for extended CONNECT only when the server announced it", () => {
  const head = { ...REQUEST, method: "CONNECT", protocol: "websocket" };
  assert.equal(RawPeer.server().connection.request(head, false), undefined);
  const peer = RawPeer.server({}, [8, 1]);
  assert.equal(peer.connection.canExtendedConnect, true);
  assert.equal(peer.connection.request(head, false), 1);
});

Deno.test("a response may be interim, final, with content and trailers, or nothing but trailers", () => {
  const peer = RawPeer.client();
  for (let id = 1; id <= 5; id += 2) peer.headers(id, GET);
  peer.connection.response(1, { ...OK, status: 103, fields: ["link", "</a>"] }, false);
  peer.connection.response(1, OK, false);
  peer.connection.data(1, bytes(3), false);
  peer.connection.trailers(1, ["grpc-status", "0"]);
  peer.connection.response(3, { ...OK, fields: ["grpc-status", "5"] }, true);
  peer.connection.response(5, OK, false);
  peer.connection.data(5, bytes(2), false);
  peer.connection.trailers(5, []);
  assert.deepEqual(peer.output(), [
    "HEADERS 1 103 link </a>",
    "HEADERS 1 200",
    "DATA 1 3",
    "HEADERS 1 trailers grpc-status 0 end",
    "HEADERS 3 200 grpc-status 5 end",
    "HEADERS 5 200",
    "DATA 5 2 end",
  ]);
  assert.equal(peer.connection.openStreams, 0);
});

Deno.test("a client hears interim and final heads, content and trailers, and sends its own", () => {
  const peer = RawPeer.server();
  assert.equal(peer.connection.request({ ...REQUEST, method: "POST" }, false), 1);
  peer.connection.data(1, bytes(5), false);
  peer.connection.trailers(1, ["a", "b"]);
  assert.deepEqual(peer.output(), ["HEADERS 1 POST", "DATA 1 5", "HEADERS 1 trailers a b end"]);
  peer.headers(1, [":status", "103"], 0x4);
  peer.headers(1, [":status", "200", "a", "b"], 0x4);
  peer.data(1, 7);
  peer.headers(1, ["grpc-status", "0", "content-length", "9"], 0x5);
  assert.deepEqual(peer.recorder.calls, ["response 1 103", "response 1 200", "trailers 1 grpc-status,0"]);
  assert.equal(peer.recorder.content.get(1)?.length, 7);
});

Deno.test("a response that breaks the rules resets the stream", () => {
  const rows: [string, string[], number, string][] = [
    ["no status", ["a", "b"], 5, "PROTOCOL_ERROR"],
    ["status of two digits", [":status", "99"], 5, "PROTOCOL_ERROR"],
    ["101", [":status", "101"], 4, "PROTOCOL_ERROR"],
    ["interim that ends", [":status", "100"], 5, "PROTOCOL_ERROR"],
    ["a request's pseudo-field", [":status", "200", ":path", "/"], 5, "PROTOCOL_ERROR"],
    ["connection-specific", [":status", "200", "te", "x"], 5, "PROTOCOL_ERROR"],
    ["length without content", [":status", "200", "content-length", "5"], 5, "PROTOCOL_ERROR"],
    ["LF", [":status", "200", "a", "b\n"], 5, "PROTOCOL_ERROR"],
    ["over the limit", [":status", "200", "a", "x".repeat(70_000)], 5, "ENHANCE_YOUR_CALM"],
  ];
  for (const [name, fields, flags, code] of rows) {
    const peer = RawPeer.server();
    peer.connection.request(REQUEST, true);
    peer.output();
    const whole = block(...fields);
    peer.send(frame(HEADERS, flags & ~4, 1, whole.subarray(0, 16_384)));
    for (let at = 16_384; at < whole.length; at += 16_384) {
      peer.send(frame(CONTINUATION, 0, 1, whole.subarray(at, at + 16_384)));
    }
    peer.send(frame(CONTINUATION, 4, 1));
    assert.deepEqual(peer.recorder.calls, [`reset 1 ${code}`], name);
    assert.deepEqual(peer.output(), [`RST_STREAM 1 ${code}`], name);
  }
});

Deno.test("a declared length speaks of no content for HEAD, 204 and 304", () => {
  for (const [method, status] of [["HEAD", "200"], ["GET", "304"]] as const) {
    const peer = RawPeer.server();
    peer.connection.request({ ...REQUEST, method }, true);
    peer.headers(1, [":status", status, "content-length", "5"], 5);
    assert.deepEqual(peer.recorder.calls, [`response 1 ${status} end`]);
    peer.connection.request({ ...REQUEST, method }, true);
    peer.output();
    peer.headers(3, [":status", status, "content-length", "5"], 4);
    peer.data(3, 5, 1);
    assert.equal(peer.recorder.calls.at(-1), "reset 3 PROTOCOL_ERROR", "and content is a fault");
  }
});

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
      raised += peer.output().filter((line) => line.startsWith(`WINDOW_UPDATE ${id} `)).length;
      peer.data(id, 1, 1);
      peer.connection.response(id, OK, true);
      if (credit) peer.connection.credit(id, 10_001);
    }
    return raised;
  };
  assert.equal(run(true), 500);
  assert.ok(run(false) < 100);
});

Deno.test("a head longer than a frame goes on in CONTINUATION frames, both ways", () => {
  const value = "~".repeat(40_000);
  const server = RawPeer.client();
  server.headers(1, GET);
  server.connection.response(1, { ...OK, fields: ["a", value] }, true);
  const output = server.connection.takeOutput();
  const types = readFrames(output).map(({ type, flags, payload }) => [type, flags, payload.length]);
  assert.deepEqual(types.map(([type, flags]) => [type, flags]), [[HEADERS, 1], [CONTINUATION, 0], [
    CONTINUATION,
    4,
  ]]);
  const client = RawPeer.server();
  client.connection.request(REQUEST, true);
  client.send(output);
  assert.deepEqual(client.recorder.heads.get(1), { ...OK, fields: ["a", value] });
});

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
