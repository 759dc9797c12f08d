/**
 * Mutated HTTP/2 streams against both roles: no exception, the same calls in any split, nothing after `closed`,
 * bounded memory, output and calls in proportion to the input.
 *
 * @module
 */

import { Http2Connection } from "../../src/http2/connection.ts";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import type { Http2Options } from "../../src/http2/options.ts";
import { NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import {
  block,
  concat,
  frame,
  GET,
  POST,
  readFrames,
  Recorder,
  settings,
  uint32,
} from "../http2/raw_peer.ts";
import { below, checkInput, cut, mutate, pick, type Random } from "./mutate.ts";

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } =
  FrameType;
const START = [settings([4, 40], [1, 200]), frame(SETTINGS, 1, 0)];
/** Small limits, so that a mutated stream meets them. */
const LIMITS: Omit<Http2Options, "role"> = {
  maxHeaderBytes: 1_000,
  maxHeaderFields: 12,
  maxConcurrentStreams: 4,
  maxBufferedBytesPerConnection: 20_000,
  maxResetsBurst: 10,
  maxControlFramesPerSecond: 10,
  maxContinuationFrames: 3,
  maxInterimResponses: 2,
  enableConnectProtocol: true,
};
/** Stash and field block at their largest, windows of four streams, control frames, one turn's heads. */
const HELD_BYTES_MAX = 400_000;
const OK = { status: 200, fields: ["a", "b"], neverIndexed: NEVER_INDEXED_NONE };

const FIELDS: readonly (readonly string[])[] = [
  GET,
  POST,
  [...POST, "content-length", "3", "cookie", "a=b", "cookie", "c=d", "te", "trailers"],
  [...GET, "host", "a.test", "x-long", "y".repeat(400)],
  [":method", "CONNECT", ":protocol", "websocket", ...GET.slice(2)],
  [":status", "200", "content-length", "3"],
  [":status", "103", "link", "</x>"],
  ["trailer-a", "b"],
];
// Blocks that move the dynamic table: a table size update, literals with indexing, and references to them.
const RAW_BLOCKS: readonly Uint8Array[] = [
  Uint8Array.of(0x20, 0x82, 0x87, 0x84, 0x41, 0x01, 0x61),
  Uint8Array.of(0x3f, 0x45, 0x82, 0x87, 0x84, 0x41, 0x81, 0x1f, 0x40, 0x01, 0x62, 0x01, 0x63),
  Uint8Array.of(0x82, 0x87, 0x84, 0xbe, 0xbf, 0xbe),
];

/** One frame of any type, on a stream that may exist. */
function anyFrame(random: Random): Uint8Array {
  const id = pick([0, 1, 1, 3, 3, 5, 7, 9, 11, 2], random);
  const fields = random() < 0.8 ? block(...pick(FIELDS, random)) : pick(RAW_BLOCKS, random);
  const kinds: readonly (() => Uint8Array)[] = [
    () => frame(HEADERS, pick([0x4, 0x5, 0x0, 0x1], random), id, fields),
    () => frame(HEADERS, pick([0x4, 0x5], random), id + below(20, random), fields),
    () => frame(HEADERS, 0x2d, id, [2, ...uint32(below(9, random)), 1, ...fields, 0, 0]),
    () => frame(CONTINUATION, pick([0, 4], random), id, fields.subarray(below(fields.length, random))),
    () => frame(DATA, pick([0, 0, 1], random), id, new Uint8Array(pick([0, 1, 3, 100, 9_000], random))),
    () => frame(DATA, pick([8, 9], random), id, [below(6, random), 1, 2, 3, 0, 0]),
    () => frame(PRIORITY, 0, id, [...uint32(below(9, random)), 1]),
    () => frame(RST_STREAM, 0, id, uint32(below(16, random))),
    () => settings([below(10, random), pick([0, 1, 50, 65_535, 2 ** 31 - 1, 2 ** 31], random)]),
    () => frame(SETTINGS, 1, 0),
    () => frame(PING, below(2, random), 0, new Uint8Array(8)),
    () => frame(GOAWAY, 0, 0, [...uint32(below(9, random)), ...uint32(0)]),
    () => frame(WINDOW_UPDATE, 0, id, uint32(pick([0, 1, 60, 70_000, 2 ** 31 - 1], random))),
    () => frame(below(256, random), below(256, random), id, new Uint8Array(below(30, random))),
  ];
  return pick(kinds, random)();
}

function mutated(random: Random): Uint8Array {
  const frames = Array.from({ length: 1 + below(12, random) }, () => anyFrame(random));
  const bytes = random() < 0.5 ? concat(...frames) : mutate([concat(...frames), ...frames], random);
  return random() < 0.9 ? concat(...START, bytes) : bytes;
}

/** A recorder that is closed for good once `closed` has come, with an owner that answers, echoes or holds. */
function connect(
  role: "server" | "client",
  echo: boolean,
): { recorder: Recorder; connection: Http2Connection } {
  const recorder = new Recorder();
  const connection: Http2Connection = new Http2Connection(recorder, { role, ...LIMITS });
  recorder.onRequest = (id) => {
    connection.response(id, OK, false);
    if (!echo) connection.data(id, new Uint8Array(100), true);
  };
  if (echo) {
    recorder.onData = (id, bytes, end) => {
      if (connection.bufferedBytes > HELD_BYTES_MAX) {
        throw new Error(`${connection.bufferedBytes} bytes held`);
      }
      connection.data(id, bytes, end);
      connection.credit(id, bytes.length);
    };
  }
  if (role === "client") {
    for (let count = 0; count < 3; count++) {
      const head = {
        method: "GET",
        scheme: "http",
        authority: "a",
        path: "/",
        fields: [],
        neverIndexed: NEVER_INDEXED_NONE,
      };
      connection.request(head, true);
    }
  }
  return { recorder, connection };
}

function run(role: "server" | "client", pieces: readonly Uint8Array[], echo: boolean): Recorder {
  const { recorder, connection } = connect(role, echo);
  if (role === "server") connection.receive(PREFACE, 0);
  let bytes = 0;
  for (const piece of pieces) {
    connection.receive(piece, 0);
    bytes += piece.length;
  }
  if (connection.bufferedBytes > HELD_BYTES_MAX) throw new Error(`${connection.bufferedBytes} bytes held`);
  const output = connection.takeOutput();
  readFrames(output);
  if (output.length > 1_000 + 40 * bytes) throw new Error(`${output.length} bytes of output for ${bytes}`);
  const calls = recorder.calls.length;
  if (calls > 10 + bytes) throw new Error(`${calls} calls for ${bytes} bytes`);
  if (recorder.isClosed && recorder.calls.at(-1)?.startsWith("closed") !== true) {
    throw new Error("a call after closed");
  }
  connection.receiveEnd(0);
  if (!recorder.isClosed) throw new Error("not closed at the end");
  if (connection.openStreams !== 0) throw new Error("streams left open");
  return recorder;
}

function checkRole(role: "server" | "client", bytes: Uint8Array, random: Random): void {
  const whole = run(role, [bytes], false);
  const split = run(role, cut(bytes, random), false);
  const seen = [whole, split].map(({ calls, content }) => JSON.stringify([calls, [...content]]));
  if (seen[0] !== seen[1]) throw new Error(`calls differ by split: ${whole.calls} against ${split.calls}`);
  run(role, cut(bytes, random), true);
}

/** Checks `count` mutated streams; throws on a finding, with the input in the message. */
export function fuzz(count: number, random: Random): void {
  for (let done = 0; done < count; done++) {
    const role = pick(["server", "client"] as const, random);
    checkInput(mutated(random), (bytes) => checkRole(role, bytes, random));
  }
}
