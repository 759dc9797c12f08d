/** Heads, content and trailers of requests and responses, in both roles. */
import assert from "node:assert/strict";
import { Http2Connection } from "../../src/http2/connection.ts";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { NEVER_INDEXED_NONE, type RequestHead } from "../../src/wire/http_handler.ts";
import { block, frame, GET, RawPeer, readFrames, Recorder } from "./raw_peer.ts";

const { HEADERS, CONTINUATION } = FrameType;
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
