/** Twice the input is twice the work, whatever the input and however it is cut: no peer can make us look twice. */
import assert from "node:assert/strict";
import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import { Http2Connection } from "../../src/http2/connection.ts";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { type HttpHandler, NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import { AnsweringServer, bytesOf, requestHead } from "../http1/recorder.ts";
import { block, concat, frame, GET, POST, settings, uint32 } from "../http2/raw_peer.ts";
import { WorkMeter } from "./work_meter.ts";

const { DATA, HEADERS, CONTINUATION, RST_STREAM, PING, SETTINGS, WINDOW_UPDATE } = FrameType;
/** Twice as much still is one frame. */
const ONCE = 8_000;
/** A second look at each byte would give 4. */
const FACTOR_MAX = 2.3;
const NO_LIMITS = { maxHeaderBytes: 1 << 24, maxHeaderFields: 1 << 20 };
const OK = { status: 200, fields: [], neverIndexed: NEVER_INDEXED_NONE };
const NOTHING: HttpHandler = {
  ...{ request() {}, response() {}, data() {}, trailers() {}, reset() {}, taken() {} },
  ...{ goAway() {}, ready() {}, closed() {} },
};

/** An input of about `size` bytes. */
type Input = (size: number) => Uint8Array;

const CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const HTTP1_REQUESTS: readonly (readonly [name: string, input: Input])[] = [
  ["one long field", text((size) => `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(size)}\r\n\r\n`)],
  ["one long target", text((size) => `GET /${"x".repeat(size)} HTTP/1.1\r\nHost: a\r\n\r\n`)],
  ["many fields", text((size) => `GET / HTTP/1.1\r\nHost: a\r\n${"a:b\r\n".repeat(size / 5)}\r\n`)],
  [
    "a list in Connection",
    text((size) => `GET / HTTP/1.1\r\nHost: a\r\n${"Connection: a,b\r\n".repeat(size / 17)}\r\n`),
  ],
  ["a line without end", text((size) => `GET / HTTP/1.1\r\nX: ${" ".repeat(size)}`)],
  ["line feeds", text((size) => "\n".repeat(size))],
  ["small chunks", text((size) => `${CHUNKED}${"1\r\nx\r\n".repeat(size / 6)}`)],
  ["a chunk extension", text((size) => `${CHUNKED}1;${"x".repeat(size)}`)],
  ["trailers", text((size) => `${CHUNKED}0\r\n${"a:b\r\n".repeat(size / 5)}\r\n`)],
  ["pipelined requests", text((size) => "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(size / 27))],
];
const HTTP1_RESPONSES: readonly (readonly [name: string, input: Input])[] = [
  ["one long field", text((size) => `HTTP/1.1 200 OK\r\nX: ${"x".repeat(size)}\r\n\r\n`)],
  ["a long reason", text((size) => `HTTP/1.1 200 ${"x".repeat(size)}\r\n\r\n`)],
  ["content to the end", text((size) => `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(size)}`)],
  [
    "small chunks",
    text((size) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(size / 6)}`),
  ],
];

/** Fifty requests that are not at their end. */
const GETS = Array.from({ length: 50 }, (_, index) => frame(HEADERS, 4, 1 + index * 2, block(...GET)));
const START = concat(PREFACE, settings(), frame(SETTINGS, 1, 0));
const HTTP2: readonly (readonly [name: string, input: Input])[] = [
  ["requests", repeat((index) => frame(HEADERS, 5, 1 + index * 2, block(...GET)))],
  ["requests reset", repeat((index) => concat(open(index), frame(RST_STREAM, 0, 1 + index * 2, uint32(8))))],
  ["trailers", repeat((index) => concat(open(index), frame(HEADERS, 5, 1 + index * 2, block("a", "b"))))],
  ["references", (size) => frame(HEADERS, 5, 1, concat(block(...GET), new Uint8Array(size).fill(0x90)))],
  ["a long literal", (size) => frame(HEADERS, 5, 1, block(...GET, "x", "\x01".repeat(size)))],
  ["a long Huffman code", (size) => frame(HEADERS, 5, 1, block(...GET, "x", "a".repeat(size)))],
  ["entries that push others out", (size) => {
    const entry = [0x40, 1, 0x61, 2, 0x62, 0x63];
    const entries = Uint8Array.from({ length: entry.length * (size / 6) }, (_, at) => entry[at % 6]!);
    return frame(HEADERS, 5, 1, concat(block(...GET), entries));
  }],
  ["one block in small parts", (size) => {
    const whole = block(...GET, "x", "\x01".repeat(size));
    const parts = [frame(HEADERS, 1, 1)];
    for (let at = 0; at < whole.length; at += 9) {
      parts.push(frame(CONTINUATION, at + 9 < whole.length ? 0 : 4, 1, whole.subarray(at, at + 9)));
    }
    return concat(...parts);
  }],
  ["crumbs of content", then(frame(HEADERS, 4, 1, block(...POST)), () => frame(DATA, 0, 1, [1]))],
  ["empty content", then(frame(HEADERS, 4, 1, block(...POST)), () => frame(DATA, 0, 1))],
  ["PING", repeat(() => frame(PING, 0, 0, new Uint8Array(8)))],
  ["SETTINGS", repeat((index) => settings([4, index % 2], [1, index % 3 * 1_000]))],
  ["windows by crumbs", then(concat(settings([4, 0]), ...GETS), () => frame(WINDOW_UPDATE, 0, 1, uint32(1)))],
  [
    "echoes that wait for a window",
    then(concat(settings([4, 0]), frame(HEADERS, 4, 1, block(...POST))), () => frame(DATA, 0, 1, [1])),
  ],
  ["unknown frames", repeat(() => frame(0xcc, 0, 0, [1, 2, 3]))],
];

function text(make: (size: number) => string): Input {
  return (size) => bytesOf(make(size));
}

function then(first: Uint8Array, make: (index: number) => Uint8Array): Input {
  const rest = repeat(make);
  return (size) => concat(first, rest(size));
}

function repeat(make: (index: number) => Uint8Array): Input {
  return (size) => {
    const parts: Uint8Array[] = [];
    for (let bytes = 0; bytes < size; bytes += parts.at(-1)!.length) parts.push(make(parts.length));
    return concat(...parts);
  };
}

function open(index: number): Uint8Array {
  return frame(HEADERS, 4, 1 + index * 2, block(...POST));
}

function feed(
  to: { receive(bytes: Uint8Array, nowMs: number): void; takeOutput(): Uint8Array },
  bytes: Uint8Array,
  step: number,
): void {
  for (let at = 0; at < bytes.length; at += step) {
    to.receive(bytes.subarray(at, at + step), 0);
    to.takeOutput();
  }
}

function http1Server(bytes: Uint8Array, step: number): void {
  feed(new AnsweringServer(NO_LIMITS).connection, bytes, step);
}

function http1Client(bytes: Uint8Array, step: number): void {
  const client = new Http1ClientConnection(NOTHING, NO_LIMITS);
  client.request(requestHead(), true);
  client.takeOutput();
  feed(client, bytes, step);
}

/** A server that answers GET with 30,000 bytes, and sends content that it gets back. */
function http2Server(bytes: Uint8Array, step: number): void {
  const connection: Http2Connection = new Http2Connection({
    ...NOTHING,
    request: (id, { method }) => {
      connection.response(id, OK, false);
      connection.data(id, new Uint8Array(method === "GET" ? 30_000 : 0), false);
    },
    data: (id, content) => {
      connection.data(id, content, false);
      connection.credit(id, content.length);
    },
    trailers: (id) => connection.reset(id, 0),
  }, {
    role: "server",
    ...NO_LIMITS,
    maxControlFramesPerSecond: 1e9,
    maxResetsBurst: 1e9,
    maxContinuationFrames: 1e9,
    maxBufferedBytesPerConnection: 1 << 30,
  });
  connection.receive(START, 0);
  feed(connection, bytes, step);
}

Deno.test("the codecs do twice the work for twice the input", async (t) => {
  await using meter = await WorkMeter.start();
  const groups = [
    ["HTTP/1.1 server", http1Server, HTTP1_REQUESTS],
    ["HTTP/1.1 client", http1Client, HTTP1_RESPONSES],
    ["HTTP/2 server", http2Server, HTTP2],
  ] as const;
  for (const [group, run, rows] of groups) {
    for (const [name, input] of rows) {
      for (const step of [1, 1_400]) {
        await t.step(`${group}: ${name}, ${step} bytes at a time`, async () => {
          const [once, twice] = [input(ONCE), input(2 * ONCE)];
          run(once, step);
          const first = await meter.measure(() => run(once, step));
          const second = await meter.measure(() => run(twice, step));
          assert.ok(first.blocks > ONCE / step, `${first.blocks} blocks: nothing was counted`);
          assert.ok(second.blocks < FACTOR_MAX * first.blocks, `${first.blocks} → ${second.blocks} blocks`);
          assert.ok(second.bytes < FACTOR_MAX * first.bytes + ONCE, `${first.bytes} → ${second.bytes} bytes`);
          assert.ok(
            second.blocks < 60 * twice.length + 50_000,
            `${second.blocks} blocks for ${twice.length} bytes`,
          );
        });
      }
    }
  }
});
