/**
 * Goal: a request is sent a second time exactly when that is safe: nobody has seen it, or it can be repeated and the
 * connection had died before an answer. Never twice more, never with half an answer.
 * Method: the real program with one worker, so that it is known which connection is reused; the backend's own list of
 * requests is the judge.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { block, concat, frame, readFrames, settings, uint32 } from "../http2/raw_peer.ts";
import { latin1 } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { L7Peer } from "./l7_peer.ts";
import { NAME_OF, openScene } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { type RawBackend, rawBackend, type RawConnection } from "./raw_backend.ts";

const ONE_WORKER = { workers: 1 };
const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/** What happens to the second request of a connection. */
interface Reuse {
  readonly name: string;
  readonly method: string;
  readonly text?: string;
  /** What the backend answers before it leaves. */
  readonly part?: string;
  readonly isRepeated: boolean;
}

const REUSES: readonly Reuse[] = [
  ...["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"].map((method) => ({
    name: `${method} without content`,
    method,
    isRepeated: true,
  })),
  { name: "POST without content", method: "POST", isRepeated: false },
  { name: "PATCH without content", method: "PATCH", isRepeated: false },
  { name: "PUT with content", method: "PUT", text: "content", isRepeated: false },
  { name: "GET after a byte of an answer", method: "GET", part: "H", isRepeated: false },
  {
    name: "GET after an interim response",
    method: "GET",
    part: "HTTP/1.1 103 Early Hints\r\n\r\n",
    isRepeated: false,
  },
];

/** Answers the first request, then leaves in the middle of the second; a second connection answers. */
function dyingBackend({ text, part }: Reuse, methods: string[]): Promise<RawBackend> {
  return rawBackend(async (connection, index) => {
    methods.push((await connection.head())!.split(" ")[0]!);
    await connection.send(methods.at(-1) === "HEAD" ? HELLO.slice(0, -5) : HELLO);
    const second = await connection.head();
    if (second === undefined) return;
    methods.push(second.split(" ")[0]!);
    if (text !== undefined) await connection.take(new RegExp(text));
    if (part !== undefined) await connection.send(part);
    if (index === 0) await connection.finish();
    await connection.toEnd();
  });
}

Deno.test("on a reused connection that dies, what may be repeated is, once", async (t) => {
  await using site = await openSite();
  await using backends = new AsyncDisposableStack();
  const seen: string[][] = REUSES.map(() => []);
  const listeners = [];
  for (const [index, row] of REUSES.entries()) {
    const { addr } = backends.use(await dyingBackend(row, seen[index]!));
    listeners.push({ routes: [site.route("h1.test", addr, { backend_protocol: "http/1.1" })] });
  }
  const tables = { listeners, proxy: ONE_WORKER, log: { requests: true } };
  await serveQuietly(tables, async ({ addrs, program }) => {
    for (const [index, { name, method, text, isRepeated }] of REUSES.entries()) {
      await t.step(name, async () => {
        await using client = await L7Peer.open(site, { addr: addrs[index]!, name: "h1.test" }, "h2");
        assert.equal((await client.answer({ path: "/first" })).status, 200);
        const fields = text === undefined ? [] : ["content-length", `${text.length}`];
        const options = text === undefined ? {} : { text };
        const { status } = await client.answer({ method, path: `/${index}`, fields }, options);
        assert.equal(status, isRepeated ? 200 : 502);
        const { retried } = await program.event(({ path }) => path === `/${index}`);
        assert.equal(retried, isRepeated ? true : undefined);
        assert.deepEqual(seen[index], ["GET", method, ...isRepeated ? [method] : []]);
      });
    }
  });
});

Deno.test("REFUSED_STREAM is repeated once, content included, other resets are passed on", async (t) => {
  const rows = [
    { name: "refused once", codes: [ErrorCode.REFUSED_STREAM], outcome: [200, undefined], times: 2 },
    {
      name: "refused twice",
      codes: [ErrorCode.REFUSED_STREAM, ErrorCode.REFUSED_STREAM],
      outcome: [undefined, ErrorCode.REFUSED_STREAM],
      times: 2,
    },
    { name: "cancelled", codes: [ErrorCode.CANCEL], outcome: [undefined, ErrorCode.CANCEL], times: 1 },
    {
      name: "a code of the connection's",
      codes: [ErrorCode.FLOW_CONTROL_ERROR],
      outcome: [undefined, ErrorCode.INTERNAL_ERROR],
      times: 1,
    },
  ];
  let left: number[] = [];
  await using scene = await openScene({
    onEnd: (stream) => {
      const code = left.shift();
      if (code === undefined) stream.respond(200, { text: stream.text });
      else stream.cancel(code);
    },
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF.h2 }, "h2");
    for (const { name, codes, outcome, times } of rows) {
      await t.step(name, async () => {
        left = [...codes];
        const before = scene.requests.h2.length;
        const { status, resetCode, text } = await client.answer({ method: "POST" }, { text: "content" });
        assert.deepEqual([status, resetCode], outcome);
        assert.equal(text, status === 200 ? "content" : "");
        const came = scene.requests.h2.slice(before).map((stream) => stream.text);
        assert.deepEqual(came, Array(times).fill("content"));
      });
    }
  });
});

/** A backend of HTTP/2 frame by frame: takes requests, and says GOAWAY when there are `count`. */
async function sayGoAway(connection: RawConnection, count: number, lastStreamId: number): Promise<number[]> {
  await connection.take(/PRI \* HTTP\/2.0\r\n\r\nSM\r\n\r\n/);
  await connection.send(settings());
  const ids: number[] = [];
  while (ids.length < count) {
    const header = await connection.take(/[^]{9}/);
    if (header === undefined) return ids;
    const bytes = latin1(header);
    const payload = (bytes[0]! << 16) + (bytes[1]! << 8) + bytes[2]!;
    const body = await connection.take(new RegExp(`[^]{${payload}}`));
    const [read] = readFrames(concat(bytes, latin1(body!)));
    if (read!.type === FrameType.HEADERS) ids.push(read!.streamId);
  }
  await connection.send(
    frame(FrameType.GOAWAY, 0, 0, [...uint32(lastStreamId), ...uint32(ErrorCode.NO_ERROR)]),
  );
  return ids;
}

const answerFrame = (streamId: number, text: string) =>
  concat(
    frame(FrameType.HEADERS, 4, streamId, block(":status", "200")),
    frame(FrameType.DATA, 1, streamId, latin1(text)),
  );

Deno.test("GOAWAY in the middle: streams up to its last id go on, those above it are sent elsewhere", async () => {
  const seen: number[][] = [];
  await using backend = await rawBackend(async (connection, index) => {
    if (index === 0) {
      seen.push(await sayGoAway(connection, 3, 1));
      await connection.send(answerFrame(1, "the first"));
    } else {
      seen.push(await sayGoAway(connection, 2, 3));
      await connection.send(concat(answerFrame(1, "the second"), answerFrame(3, "the second")));
    }
    await connection.finish();
    await connection.toEnd();
  });
  await using site = await openSite();
  const routes = [site.route("h2c.test", backend.addr)];
  await serveQuietly({ listeners: [{ routes }], proxy: ONE_WORKER }, async ({ addr }) => {
    await using client = await L7Peer.open(site, { addr, name: "h2c.test" }, "h2");
    // POST: what decides is that the backend has not seen them, not the method.
    const streams = ["/a", "/b", "/c"].map((path) => client.ask({ method: "POST", path }));
    await client.until("answers", () => streams.every(({ isOver }) => isOver));
    assert.deepEqual(streams.map(({ text }) => text), ["the first", "the second", "the second"]);
  });
  assert.deepEqual(seen, [[1, 3, 5], [1, 3]]);
});
