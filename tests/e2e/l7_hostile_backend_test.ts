/**
 * Goal: whatever frames a backend of HTTP/2 sends, a client gets its response whole, or a 502, or one that is visibly
 * broken off; nothing is let through that would be another message in HTTP/1.1; and the next request is served.
 * Method: the real program; a backend whose every frame is written by hand; clients of both versions for each row.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { block, concat, frame, settings, uint32 } from "../http2/raw_peer.ts";
import { latin1 } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { L7Peer } from "./l7_peer.ts";
import { VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend } from "./raw_backend.ts";
import { literals } from "./raw_http2.ts";

const END_STREAM = 1;
const END_HEADERS = 4;
const MAX_HEADER_BYTES = 8_192;
/** Well over what a flood of any kind may have at once. */
const FLOOD_FRAMES = 4_000;

/** What a client gets: a 502, 200 with its end, or 200 without. */
type Outcome = "502" | "whole" | "broken";

const head = (fields: readonly string[], flags = 0) =>
  frame(FrameType.HEADERS, END_HEADERS | flags, 1, block(...fields));
/** The same where our encoder would leave a field out. */
const raw = (fields: readonly string[]) => frame(FrameType.HEADERS, END_HEADERS, 1, literals(fields));
const data = (text: string, flags = END_STREAM) => frame(FrameType.DATA, flags, 1, latin1(text));
const times = (count: number, what: Uint8Array) => concat(...Array.from({ length: count }, () => what));
const OK = head([":status", "200"]);
const OK_ENDED = head([":status", "200"], END_STREAM);
const INTERIM = head([":status", "103"]);
const flood = (what: Uint8Array) => times(FLOOD_FRAMES, what);

/** What stands in answer to the first request of a connection, and whether the program then leaves by itself. */
const ROWS: readonly (readonly [name: string, sent: Uint8Array, outcome: Outcome, end?: "leaves"])[] = [
  [
    "less content than declared",
    concat(head([":status", "200", "content-length", "9"]), data("five5")),
    "broken",
  ],
  [
    "more content than declared",
    concat(head([":status", "200", "content-length", "2"]), data("five5")),
    "broken",
  ],
  ["no status", head(["x-a", "b"], END_STREAM), "502"],
  ["status 101", head([":status", "101"]), "502"],
  ["a status that is no number", head([":status", "2oo"], END_STREAM), "502"],
  ["content before a head", data("five5"), "502"],
  ["a name with capitals", head([":status", "200", "X-A", "b"], END_STREAM), "502"],
  ["a value with CR LF", head([":status", "200", "x-a", "b\r\nset-cookie: c"], END_STREAM), "502"],
  ["a final head twice", concat(OK, OK, data("five5")), "broken"],
  ["an interim head that ends", head([":status", "103"], END_STREAM), "502"],
  ["10 interim heads", concat(times(10, INTERIM), OK_ENDED), "whole"],
  ["11 interim heads", concat(times(11, INTERIM), OK_ENDED), "502"],
  ["trailers with a status", concat(OK, data("five5", 0), OK_ENDED), "broken"],
  ["a field of a connection", concat(raw([":status", "200", "connection", "close"]), data("five5")), "502"],
  [
    "framing of HTTP/1.1",
    concat(raw([":status", "200", "transfer-encoding", "chunked"]), data("0\r\n\r\n")),
    "502",
  ],
  [
    "a promise",
    frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, [...uint32(2), ...block(":method", "GET")]),
    "502",
    "leaves",
  ],
  ["content on stream 0", frame(FrameType.DATA, 0, 0, latin1("x")), "502", "leaves"],
  ["content on a stream that nobody opened", frame(FrameType.DATA, 0, 99, latin1("x")), "502", "leaves"],
  ["a frame over the limit", frame(FrameType.DATA, 0, 1, new Uint8Array(16_385)), "502", "leaves"],
  [
    "content over the window",
    concat(OK, times(80, frame(FrameType.DATA, 0, 1, new Uint8Array(16_384)))),
    "broken",
  ],
  ["a window over the limit", concat(OK, frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(0x7fffffff))), "broken"],
  ["a window of 0", frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(0)), "502"],
  [
    "a head over the limit",
    head([":status", "200", "x-a", "y".repeat(2 * MAX_HEADER_BYTES)], END_STREAM),
    "502",
  ],
  [
    "a response, then RST_STREAM NO_ERROR",
    concat(OK, data("five5"), frame(FrameType.RST_STREAM, 0, 1, uint32(0))),
    "whole",
  ],
  [
    "GOAWAY that lets it go on",
    concat(frame(FrameType.GOAWAY, 0, 0, [...uint32(1), ...uint32(11)]), OK_ENDED),
    "whole",
    "leaves",
  ],
  [
    "GOAWAY in the middle of a response",
    concat(OK, frame(FrameType.GOAWAY, 0, 0, [...uint32(1), ...uint32(0)]), data("five5")),
    "whole",
    "leaves",
  ],
  ["HTTP/1.1", latin1("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfive5"), "502", "leaves"],
  ["PINGs without end", flood(frame(FrameType.PING, 0, 0, new Uint8Array(8))), "502", "leaves"],
  ["SETTINGS without end", flood(settings()), "502", "leaves"],
  ["WINDOW_UPDATEs without end", flood(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1))), "502", "leaves"],
  ["PRIORITYs without end", flood(frame(FrameType.PRIORITY, 0, 1, [...uint32(3), 1])), "502", "leaves"],
  ["unknown frames without end", flood(frame(0xfa, 0, 1, new Uint8Array(9))), "502", "leaves"],
  [
    "GOAWAYs without end",
    flood(frame(FrameType.GOAWAY, 0, 0, [...uint32(1), ...uint32(0)])),
    "502",
    "leaves",
  ],
  [
    "a head without end",
    concat(frame(FrameType.HEADERS, 0, 1), flood(frame(FrameType.CONTINUATION, 0, 1))),
    "502",
    "leaves",
  ],
  ["empty content without end", concat(OK, flood(frame(FrameType.DATA, 0, 1))), "broken", "leaves"],
];

Deno.test("a backend's frames of any kind make a whole response, a 502 or one that is broken off", async (t) => {
  let sent: Uint8Array = OK_ENDED;
  let leaves = false;
  let answered = Promise.withResolvers<void>();
  let left = Promise.withResolvers<void>();
  await using backend = await rawBackend(async (connection) => {
    await connection.send(concat(settings(), frame(FrameType.SETTINGS, 1, 0)));
    // deno-lint-ignore no-control-regex -- the beginning of a frame: HEADERS of stream 1 with their end
    await connection.take(/[^]*?[^]{3}\x01\x05\0\0\0\x01/);
    // A program that has had enough leaves in the middle.
    await connection.send(sent).catch(() => {});
    if (!leaves) await answered.promise;
    if (!leaves) await connection.finish().catch(() => {});
    await connection.toEnd().catch(() => {});
    left.resolve();
  });
  await using site = await openSite();
  const listeners = [{ routes: [site.route("h2c.test", backend.addr)] }];
  const tables = { listeners, proxy: { workers: 1 }, http: { max_header_bytes: MAX_HEADER_BYTES } };
  await serveQuietly(tables, async ({ addr }) => {
    for (const [name, frames, outcome, end = "stays"] of ROWS) {
      for (const version of VERSIONS) {
        await t.step(`${name}, to ${version}: ${outcome}`, async () => {
          sent = frames;
          leaves = end === "leaves";
          answered = Promise.withResolvers();
          left = Promise.withResolvers();
          await using client = await L7Peer.open(site, { addr, name: "h2c.test" }, version);
          const stream = await client.answer();
          assert.equal(stream.status, outcome === "502" ? 502 : 200);
          assert.equal(stream.isEnded, outcome !== "broken");
          const { fields } = stream.responses.at(-1)!;
          assert.ok(!fields.includes("set-cookie") && !fields.includes("close"));
          answered.resolve();
          await left.promise;
        });
      }
    }
  });
});
