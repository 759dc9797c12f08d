/**
 * Goal: whatever a backend does in the middle, a client never takes half of a response for a whole one, and a request is
 * sent a second time exactly when that is safe.
 * Method: the real program with one worker, so that it is known which connection is reused; backends that reset, stall,
 * close, refuse and say GOAWAY at a chosen moment; the backend's own list of requests is the judge.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { block, concat, frame, readFrames, settings, uint32 } from "../http2/raw_peer.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { latin1 } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { L7Peer } from "./l7_peer.ts";
import { NAME_OF, openScene, type Scene, VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { type RawBackend, rawBackend, type RawConnection } from "./raw_backend.ts";

const ONE_WORKER = { workers: 1 };
const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/** How a response of HTTP/1.1 stops in the middle. */
const BROKEN: readonly (readonly [name: string, sent: string, how: "fin" | "reset"])[] = [
  ["inside a declared length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "fin"],
  ["inside a declared length, by RST", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "reset"],
  ["inside a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf", "fin"],
  ["between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "fin"],
  [
    "before the trailers' end",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y\r\n",
    "fin",
  ],
  ["with a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX", "fin"],
  ["without a length, by RST", "HTTP/1.1 200 OK\r\n\r\nhalf", "reset"],
];

Deno.test("a response that a backend of HTTP/1.1 breaks off never looks complete", async (t) => {
  let current = BROKEN[0]!;
  const goOn = { resolve: () => {} };
  await using backend = await rawBackend(async (connection) => {
    await connection.head();
    await connection.send(current[1]);
    // The client has seen the half: a RST would take it back.
    await new Promise<void>((resolve) => goOn.resolve = resolve);
    if (current[2] === "reset") return connection.reset();
    await connection.finish();
    await connection.toEnd();
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const row of BROKEN) {
      current = row;
      for (const version of VERSIONS) {
        await t.step(`${row[0]} to ${version}`, async () => {
          await using client = await L7Peer.open(site, { addr, name: "h1.test" }, version);
          const stream = client.ask();
          await client.until("half", () => stream.text === "half" || stream.isOver);
          goOn.resolve();
          if (version === "h2") {
            await client.until("reset", () => stream.isOver);
            assert.deepEqual([stream.isEnded, stream.resetCode], [false, ErrorCode.INTERNAL_ERROR]);
          } else {
            assert.notEqual(await client.ended(), "close_notify");
            assert.equal(stream.isEnded, false);
          }
        });
      }
    }
  });
});

Deno.test("a response without a length ends with its backend's FIN and is whole", async (t) => {
  await using backend = await rawBackend(async (connection) => {
    await connection.head();
    await connection.send("HTTP/1.0 200 OK\r\nX-Kept: 1\r\n\r\nall of it");
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        await using client = await L7Peer.open(site, { addr, name: "h1.test" }, version);
        for (let round = 0; round < 2; round++) {
          const { isEnded, status, text } = await client.answer();
          assert.deepEqual([isEnded, status, text], [true, 200, "all of it"]);
        }
      });
    }
  });
});

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

Deno.test("a backend of HTTP/2 that breaks off in the middle resets its streams alone", async (t) => {
  for (const how of ["close", "reset"] as const) {
    await t.step(how, async () => {
      await using scene = await openScene({
        onHead: (stream) => stream.respond(200, { text: "half", isOpen: true }),
        onEnd: () => {},
      });
      await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF.h2 }, "h2");
        const stream = client.ask();
        await client.until("half", () => stream.text === "half");
        if (how === "close") { for (const connection of scene.backends.h2.connections) connection.close(); }
        else scene.requests.h2[0]!.cancel(ErrorCode.INTERNAL_ERROR);
        await client.until("reset", () => stream.isOver);
        assert.deepEqual([stream.isEnded, stream.resetCode], [false, ErrorCode.INTERNAL_ERROR]);
        // The connection serves on.
        const next = client.ask({ path: "/next" });
        await client.until("half", () => next.text === "half");
        scene.requests.h2.at(-1)!.send("", true);
        await client.until("answer", () => next.isEnded);
      });
    });
  }
});

Deno.test("a backend that stalls in the middle of a response is ended by stream_idle_timeout", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => stream.respond(200, { text: "half", isOpen: true }),
  });
  const http = { stream_idle_timeout: "300ms" };
  await serveQuietly({ listeners: [{ routes: scene.routes }], http }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[version] }, version);
        const stream = client.ask();
        if (version === "h2") await client.until("reset", () => stream.resetCode !== undefined);
        else assert.notEqual(await client.ended(), "close_notify");
        assert.deepEqual([stream.text, stream.isEnded], ["half", false]);
      });
    }
  });
});

/** The request of that path, once it has come. */
function came(scene: Scene, version: "h2" | "http/1.1", path: string): PeerStream | undefined {
  return scene.requests[version].find(({ request }) => request!.path === path);
}

Deno.test("a client that leaves in the middle of a request never makes it look complete", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      for (const backend of VERSIONS) {
        await t.step(`${version} to ${backend}`, async () => {
          const path = `/${version}`;
          const client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
          client.ask({ method: "POST", path }, { text: "half", isOpen: true });
          const far = scene.backends[backend];
          await far.until("half", () => came(scene, backend, path)?.text === "half");
          await client[Symbol.asyncDispose]();
          const stream = came(scene, backend, path)!;
          const isGone = () =>
            far.connections.some(({ peer, isEnded }) =>
              isEnded && [...peer.streams.values()].includes(stream)
            );
          await far.until("end", () => stream.resetCode !== undefined || isGone());
          assert.equal(stream.isEnded, false);
        });
      }
    }
  });
});
