/** Every error of RFC 9113 that a client can make, with the code that the RFC asks for. */
import assert from "node:assert/strict";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { block, concat, frame, GET, POST, RawPeer, settings, uint32 } from "./raw_peer.ts";

const {
  DATA,
  HEADERS,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  PUSH_PROMISE,
  PING,
  GOAWAY,
  WINDOW_UPDATE,
  CONTINUATION,
} = FrameType;
const EXTENDED_CONNECT = [":method", "CONNECT", ":protocol", "websocket", ...GET.slice(2)];
const headers = (id: number, flags = 0x4, fields = POST) => frame(HEADERS, flags, id, block(...fields));

Deno.test("a client's fault ends the connection with the code of RFC 9113", async (t) => {
  const rows: [string, string, Uint8Array][] = [
    ["frame over the size limit", "FRAME_SIZE_ERROR", Uint8Array.of(0, 0x40, 1, DATA, 0, 0, 0, 0, 1)],
    ["DATA on stream 0", "PROTOCOL_ERROR", frame(DATA, 0, 0, [1])],
    ["DATA on an idle stream", "PROTOCOL_ERROR", frame(DATA, 0, 1, [1])],
    ["DATA on a server's stream", "PROTOCOL_ERROR", frame(DATA, 0, 2, [1])],
    ["DATA with too much padding", "PROTOCOL_ERROR", concat(headers(1), frame(DATA, 8, 1, [2, 0]))],
    ["padded DATA without length", "FRAME_SIZE_ERROR", concat(headers(1), frame(DATA, 8, 1))],
    ["HEADERS on stream 0", "PROTOCOL_ERROR", headers(0)],
    ["HEADERS on an even stream", "PROTOCOL_ERROR", headers(2)],
    ["HEADERS below the last stream", "PROTOCOL_ERROR", concat(headers(5), headers(3))],
    ["HEADERS with too much padding", "PROTOCOL_ERROR", frame(HEADERS, 0xc, 1, [9, 0x82])],
    ["padded HEADERS without length", "FRAME_SIZE_ERROR", frame(HEADERS, 0xc, 1)],
    ["HEADERS with half a priority", "FRAME_SIZE_ERROR", frame(HEADERS, 0x24, 1, [0, 0, 0])],
    ["HEADERS with a broken block", "COMPRESSION_ERROR", frame(HEADERS, 0x4, 1, [0x80])],
    ["trailers with a broken block", "COMPRESSION_ERROR", concat(headers(1), frame(HEADERS, 5, 1, [0xff]))],
    ["PRIORITY on stream 0", "PROTOCOL_ERROR", frame(PRIORITY, 0, 0, [0, 0, 0, 1, 1])],
    ["RST_STREAM on stream 0", "PROTOCOL_ERROR", frame(RST_STREAM, 0, 0, uint32(8))],
    ["RST_STREAM on an idle stream", "PROTOCOL_ERROR", frame(RST_STREAM, 0, 1, uint32(8))],
    ["RST_STREAM too short", "FRAME_SIZE_ERROR", concat(headers(1), frame(RST_STREAM, 0, 1, [0, 0, 8]))],
    ["SETTINGS on a stream", "PROTOCOL_ERROR", frame(SETTINGS, 0, 1)],
    ["SETTINGS of odd length", "FRAME_SIZE_ERROR", frame(SETTINGS, 0, 0, [0, 1, 0])],
    ["SETTINGS ACK with payload", "FRAME_SIZE_ERROR", frame(SETTINGS, 1, 0, [0, 1, 0, 0, 0, 0])],
    ["ENABLE_PUSH 2", "PROTOCOL_ERROR", settings([2, 2])],
    ["NO_RFC7540_PRIORITIES 2", "PROTOCOL_ERROR", settings([9, 2])],
    ["short PRIORITY on an idle stream", "FRAME_SIZE_ERROR", frame(PRIORITY, 0, 9, [0, 0, 0, 1])],
    ["PRIORITY of an idle stream on itself", "PROTOCOL_ERROR", frame(PRIORITY, 0, 9, [0, 0, 0, 9, 1])],
    ["INITIAL_WINDOW_SIZE 2^31", "FLOW_CONTROL_ERROR", settings([4, 2 ** 31])],
    ["MAX_FRAME_SIZE 16383", "PROTOCOL_ERROR", settings([5, 16_383])],
    ["MAX_FRAME_SIZE 2^24", "PROTOCOL_ERROR", settings([5, 2 ** 24])],
    ["ENABLE_CONNECT_PROTOCOL 2", "PROTOCOL_ERROR", settings([8, 2])],
    ["ENABLE_CONNECT_PROTOCOL taken back", "PROTOCOL_ERROR", settings([8, 1], [8, 0])],
    ["PUSH_PROMISE", "PROTOCOL_ERROR", concat(headers(1), frame(PUSH_PROMISE, 4, 1, [0, 0, 0, 2]))],
    ["PING on a stream", "PROTOCOL_ERROR", frame(PING, 0, 1, new Uint8Array(8))],
    ["PING too short", "FRAME_SIZE_ERROR", frame(PING, 0, 0, new Uint8Array(7))],
    ["GOAWAY on a stream", "PROTOCOL_ERROR", frame(GOAWAY, 0, 1, new Uint8Array(8))],
    ["GOAWAY too short", "FRAME_SIZE_ERROR", frame(GOAWAY, 0, 0, new Uint8Array(7))],
    ["WINDOW_UPDATE too short", "FRAME_SIZE_ERROR", frame(WINDOW_UPDATE, 0, 0, [0, 0, 1])],
    ["WINDOW_UPDATE 0 on the connection", "PROTOCOL_ERROR", frame(WINDOW_UPDATE, 0, 0, uint32(0))],
    ["WINDOW_UPDATE on an idle stream", "PROTOCOL_ERROR", frame(WINDOW_UPDATE, 0, 1, uint32(1))],
    ["connection window over 2^31-1", "FLOW_CONTROL_ERROR", frame(WINDOW_UPDATE, 0, 0, uint32(0x7fffffff))],
    ["CONTINUATION on stream 0", "PROTOCOL_ERROR", frame(CONTINUATION, 4, 0)],
    ["CONTINUATION that continues nothing", "PROTOCOL_ERROR", concat(headers(1), frame(CONTINUATION, 4, 1))],
    ["CONTINUATION of another stream", "PROTOCOL_ERROR", concat(headers(1, 0), frame(CONTINUATION, 4, 3))],
    ["DATA inside a field block", "PROTOCOL_ERROR", concat(headers(1, 0), frame(DATA, 0, 1))],
    ["unknown frame inside a field block", "PROTOCOL_ERROR", concat(headers(1, 0), frame(0xaa, 0, 1))],
    [
      "SETTINGS that overflow a window",
      "FLOW_CONTROL_ERROR",
      concat(headers(1), frame(WINDOW_UPDATE, 0, 1, uint32(0x7fff0000)), settings([4, 0x7fffffff])),
    ],
    [
      "HEADERS after the end of the stream",
      "STREAM_CLOSED",
      concat(headers(1), frame(RST_STREAM, 0, 1, uint32(8)), headers(1, 5)),
    ],
    [
      "HEADERS with a name that hides another field",
      "PROTOCOL_ERROR",
      headers(1, 5, [...GET, "a\r\nb", "c"]),
    ],
    ["HEADERS with LF in a value", "PROTOCOL_ERROR", headers(1, 5, [...GET, "a", "b\nc"])],
    ["HEADERS with NUL in a value", "PROTOCOL_ERROR", headers(1, 5, [...GET, "a", "b\0c"])],
    ["HEADERS with a bad :path", "PROTOCOL_ERROR", headers(1, 5, [...GET.slice(0, 6), ":path", "/a b"])],
    ["two lengths", "PROTOCOL_ERROR", headers(1, 4, [...POST, "content-length", "1", "content-length", "1"])],
    ["host that differs", "PROTOCOL_ERROR", headers(1, 5, [...GET, "host", "b.test"])],
  ];
  for (const [name, code, bytes] of rows) {
    await t.step(name, () => {
      const peer = RawPeer.client();
      peer.send(bytes);
      assert.match(peer.output().at(-1) ?? "nothing", new RegExp(`^GOAWAY \\d+ ${code}$`));
      assert.equal(peer.recorder.calls.at(-1), `closed ${code}`);
      assert.equal(peer.connection.openStreams, 0);
      peer.headers(7, GET);
      peer.connection.receiveEnd(0);
      assert.equal(peer.connection.hasOutput, false, "nothing follows the end");
    });
  }
});

Deno.test("a client's fault on a stream ends only the stream", async (t) => {
  const rows: [string, string, Uint8Array][] = [
    ["upper-case name", "PROTOCOL_ERROR", headers(1, 5, [...GET, "A", "b"])],
    ["unknown pseudo-field", "PROTOCOL_ERROR", headers(1, 5, [...GET, ":a", "b"])],
    ["pseudo-field after a field", "PROTOCOL_ERROR", headers(1, 5, ["a", "b", ...GET])],
    ["pseudo-field twice", "PROTOCOL_ERROR", headers(1, 5, [...GET, ":path", "/"])],
    [":status in a request", "PROTOCOL_ERROR", headers(1, 5, [...GET, ":status", "200"])],
    ["no :method", "PROTOCOL_ERROR", headers(1, 5, GET.slice(2))],
    ["bad :method", "PROTOCOL_ERROR", headers(1, 5, [":method", "G T", ...GET.slice(2)])],
    ["no :scheme", "PROTOCOL_ERROR", headers(1, 5, [...GET.slice(0, 2), ...GET.slice(4)])],
    ["bad :scheme", "PROTOCOL_ERROR", headers(1, 5, [...GET.slice(0, 3), "1", ...GET.slice(4)])],
    ["no :path", "PROTOCOL_ERROR", headers(1, 5, GET.slice(0, 6))],
    ["empty :path", "PROTOCOL_ERROR", headers(1, 5, [...GET.slice(0, 6), ":path", ""])],
    ["te other than trailers", "PROTOCOL_ERROR", headers(1, 5, [...GET, "te", "gzip"])],
    ["CONNECT with :path", "PROTOCOL_ERROR", headers(1, 5, [":method", "CONNECT", ...GET.slice(2)])],
    [
      ":protocol not announced",
      "PROTOCOL_ERROR",
      headers(1, 4, EXTENDED_CONNECT),
    ],
    [
      "HEADERS that depend on themselves",
      "PROTOCOL_ERROR",
      frame(HEADERS, 0x25, 1, [0, 0, 0, 1, 0, ...block(...GET)]),
    ],
    [
      "PRIORITY that depends on itself",
      "PROTOCOL_ERROR",
      concat(headers(1), frame(PRIORITY, 0, 1, [0, 0, 0, 1, 0])),
    ],
    ["PRIORITY too short", "FRAME_SIZE_ERROR", concat(headers(1), frame(PRIORITY, 0, 1, [0, 0, 0, 3]))],
    ["WINDOW_UPDATE by 0", "PROTOCOL_ERROR", concat(headers(1), frame(WINDOW_UPDATE, 0, 1, uint32(0)))],
    [
      "window over 2^31-1",
      "FLOW_CONTROL_ERROR",
      concat(headers(1), frame(WINDOW_UPDATE, 0, 1, uint32(0x7fffffff))),
    ],
    ["DATA after END_STREAM", "STREAM_CLOSED", concat(headers(1, 5), frame(DATA, 0, 1, [1]))],
    ["HEADERS after END_STREAM", "STREAM_CLOSED", concat(headers(1, 5), headers(1, 5))],
    ["trailers without END_STREAM", "PROTOCOL_ERROR", concat(headers(1), headers(1, 4, ["a", "b"]))],
    ["trailers with a pseudo-field", "PROTOCOL_ERROR", concat(headers(1), headers(1, 5, [":path", "/"]))],
    ["trailers with LF", "PROTOCOL_ERROR", concat(headers(1), headers(1, 5, ["a", "b\n"]))],
    [
      "less content than declared",
      "PROTOCOL_ERROR",
      concat(headers(1, 4, [...POST, "content-length", "3"]), frame(DATA, 1, 1, [1, 2])),
    ],
    [
      "more content than declared",
      "PROTOCOL_ERROR",
      concat(headers(1, 4, [...POST, "content-length", "3"]), frame(DATA, 0, 1, [1, 2, 3, 4])),
    ],
    [
      "trailers before the declared length",
      "PROTOCOL_ERROR",
      concat(headers(1, 4, [...POST, "content-length", "3"]), headers(1, 5, ["a", "b"])),
    ],
  ];
  for (const name of ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]) {
    // The encoder leaves these out, so the field is written by hand.
    const bytes = [0, name.length, ...new TextEncoder().encode(name), 1, 0x78];
    rows.push([name, "PROTOCOL_ERROR", frame(HEADERS, 5, 1, [...block(...GET), ...bytes])]);
  }
  for (const [name, code, bytes] of rows) {
    await t.step(name, () => {
      const peer = RawPeer.client();
      peer.send(bytes);
      assert.equal(peer.output().at(-1), `RST_STREAM 1 ${code}`);
      assert.equal(peer.recorder.isClosed, false);
      assert.equal(peer.connection.openStreams, 0);
      const [seen, last] = [peer.recorder.calls[0] ?? "", peer.recorder.calls.at(-1) ?? ""];
      assert.ok(seen === "" || last === `reset 1 ${code}`, `${seen}, ${last}`);
      assert.ok(!peer.recorder.calls.some((call) => /^(data|trailers)/.test(call)), "never looks complete");
      peer.headers(3, GET);
      assert.equal(peer.recorder.calls.at(-1), "request 3 GET a.test / end", "the connection goes on");
    });
  }
});

Deno.test("requests that could smuggle get 400 before the connection ends", () => {
  for (
    const fields of [[...GET, "a", "b\r\nc"], [...GET, "host", "b.test"], GET.toSpliced(5, 1, "u@a.test")]
  ) {
    const peer = RawPeer.client();
    peer.headers(1, fields, 0x5);
    assert.deepEqual(peer.output(), ["HEADERS 1 400 content-length 0 end", "GOAWAY 1 PROTOCOL_ERROR"]);
    assert.deepEqual(peer.recorder.calls, ["closed PROTOCOL_ERROR"]);
  }
});

Deno.test("header sections over a limit get 431 and the connection goes on", () => {
  const peer = RawPeer.client({ maxHeaderBytes: 2_000, maxHeaderFields: 20 });
  peer.headers(1, [...GET, "a", "x".repeat(2_000)], 0x4);
  assert.deepEqual(peer.output(), ["HEADERS 1 431 content-length 0 end", "RST_STREAM 1 NO_ERROR"]);
  peer.headers(3, [...GET, ...Array.from({ length: 42 }, () => "a")], 0x5);
  assert.deepEqual(peer.output(), ["HEADERS 3 431 content-length 0 end"]);
  peer.data(1, 10, 1);
  peer.headers(5, GET);
  assert.deepEqual(peer.recorder.calls, ["request 5 GET a.test / end"]);
});

Deno.test("a first frame that isn't SETTINGS, or no preface, is refused", () => {
  const cases: [string, Uint8Array][] = [
    ["ACK first", concat(PREFACE, frame(SETTINGS, 1, 0))],
    ["PING first", concat(PREFACE, frame(PING, 0, 0, new Uint8Array(8)))],
    ["HTTP/1.1", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
    ["one byte wrong", concat(PREFACE.with(23, 0), settings())],
  ];
  for (const [name, bytes] of cases) {
    const peer = new RawPeer({ role: "server" });
    peer.send(bytes);
    assert.equal(peer.output().at(-1), "GOAWAY 0 PROTOCOL_ERROR", name);
  }
});

Deno.test("frames for a stream that we reset are ignored, and their bytes still count", () => {
  const peer = RawPeer.client();
  peer.headers(1, POST, 0x4);
  peer.connection.reset(1, 8);
  peer.data(1, 16_000);
  peer.headers(1, ["a", "b"], 0x5);
  peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(5)), frame(RST_STREAM, 0, 1, uint32(8)));
  assert.deepEqual(peer.output(), ["RST_STREAM 1 CANCEL"]);
  assert.deepEqual(peer.recorder.calls, ["request 1 POST a.test /"]);
});

Deno.test("DATA beyond a window is a flow control error of the stream or the connection", () => {
  const peer = RawPeer.client();
  peer.headers(1, POST, 0x4);
  for (let sent = 0; sent < 5; sent++) peer.data(1, 16_384);
  assert.ok(peer.output().includes("RST_STREAM 1 FLOW_CONTROL_ERROR"));
  assert.equal(peer.recorder.isClosed, false);
  // Before the client acknowledges our SETTINGS the connection's window is not raised.
  const early = new RawPeer({ role: "server" });
  early.send(PREFACE, settings());
  for (let id = 1; id <= 9; id += 2) {
    early.headers(id, POST, 0x4);
    early.data(id, 16_384);
  }
  assert.equal(early.recorder.error?.detail, "DATA beyond the connection's window");
});
