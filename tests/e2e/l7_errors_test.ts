/**
 * Goal: what can't be served is answered with the status that says why, shortly, in the client's version; a gRPC call
 * gets a status that its client understands; and the connection serves the next request.
 * Method: the real program; for each status the request that must get it, by both versions.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RequestHead } from "../../src/wire/http_handler.ts";
import { valuesOf } from "../l7/heads.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { freePort } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { serveQuietly, stopQuietly } from "../support/quiet.ts";
import { L7Peer, RawPeer } from "./l7_peer.ts";
import { NAME_OF, openScene, type Scene, VERSIONS } from "./l7_scene.ts";
import { answerOf, rawRequest } from "./raw_http2.ts";
import { rawBackend } from "./raw_backend.ts";

const GRPC = ["content-type", "application/grpc", "te", "trailers"];

/** Asserts that a plain request got that answer of the program's own. */
function assertPlain(stream: PeerStream, status: number): void {
  const { fields } = stream.responses.at(-1)!;
  assert.equal(stream.status, status);
  assert.match(stream.text, new RegExp(`^${status} [A-Z][a-zA-Z ]+(: [a-z ]+)?\n$`));
  assert.deepEqual(valuesOf(fields, "content-type"), ["text/plain"]);
  assert.deepEqual(valuesOf(fields, "content-length"), [`${stream.text.length}`]);
}

/** Asserts that a gRPC call got a trailers-only answer. */
function assertGrpc(stream: PeerStream, code: string): void {
  const { fields } = stream.responses.at(-1)!;
  assert.deepEqual([stream.status, stream.text, stream.isEnded, stream.trailers], [200, "", true, undefined]);
  assert.deepEqual(valuesOf(fields, "grpc-status"), [code]);
  assert.deepEqual(valuesOf(fields, "content-type"), ["application/grpc"]);
}

Deno.test("502: a backend that can't be reached, shown as plain text, to HEAD without it, to gRPC as 14", async (t) => {
  await using scene = await openScene();
  const down = scene.site.route("down.test", `127.0.0.1:${freePort()}`);
  await serveQuietly({ listeners: [{ routes: [down] }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: "down.test" }, version);
        assertPlain(await client.answer(), 502);
        assertPlain(await client.answer({ method: "POST" }, { text: "content" }), 502);
        const head = await client.answer({ method: "HEAD" });
        assert.deepEqual([head.status, head.text, head.isEnded], [502, "", true]);
        assertGrpc(await client.answer({ method: "POST", fields: GRPC }, { text: "m" }), "14");
      });
    }
  });
});

Deno.test("503: no connection to a backend is free", async (t) => {
  await using scene = await openScene({ onEnd: () => {} });
  const tables = { listeners: [{ routes: scene.routes }], proxy: { workers: 1 } };
  // A worker's share is a third of what its descriptors leave beside 256: two.
  await using program = await startProxy(tables, { descriptorsMax: 262 });
  const { addr } = program;
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      const target = { addr, name: NAME_OF["http/1.1"] };
      await using holder = await L7Peer.open(scene.site, target, "h2");
      const held = [holder.ask({ path: "/1" }), holder.ask({ path: "/2" })];
      const { requests: { "http/1.1": came }, backends: { "http/1.1": backend } } = scene;
      const before = came.length;
      await backend.until("both requests", () => came.length === before + 2);
      await using client = await L7Peer.open(scene.site, target, version);
      assertPlain(await client.answer(), 503);
      assertGrpc(await client.answer({ method: "POST", fields: GRPC }), "14");
      for (const stream of came.slice(-2)) stream.respond(200);
      await holder.until("answers", () => held.every(({ isEnded }) => isEnded));
      const next = client.ask({ path: "/3" });
      await backend.until("the next", () => came.at(-1)?.request?.path === "/3");
      came.at(-1)!.respond(200);
      await client.until("answer", () => next.isOver);
      assert.equal(next.status, 200);
    });
  }
  await stopQuietly(program);
});

Deno.test("504: no response header in time after the end of the request; a gRPC call may wait", async (t) => {
  await using scene = await openScene({ onEnd: () => {} });
  const http = { response_header_timeout: "300ms" };
  await serveQuietly({ listeners: [{ routes: scene.routes }], http }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        const target = { addr, name: NAME_OF[version] };
        await using client = await L7Peer.open(scene.site, target, version);
        await using other = await L7Peer.open(scene.site, target, version);
        const grpc = other.ask({ method: "POST", fields: GRPC }, { text: "m" });
        const streams = scene.requests[version];
        await scene.backends[version].until("call", () => streams.length === 1);
        const sentMs = performance.now();
        assertPlain(await client.answer(), 504);
        assert.ok(performance.now() - sentMs >= 300);
        // The backend is told that nobody waits any more.
        const { connections } = scene.backends[version];
        await scene.backends[version].until(
          "reset",
          () => streams[1]!.resetCode !== undefined || connections.some(({ isEnded }) => isEnded),
        );
        // A request whose content hasn't ended has not begun to wait.
        const slow = client.ask({ method: "POST" }, { text: "half", isOpen: true });
        await using third = await L7Peer.open(scene.site, target, version);
        assertPlain(await third.answer({ path: "/meanwhile" }), 504);
        assert.equal(slow.status, undefined);
        slow.send("", true);
        await client.until("answer", () => slow.isOver);
        assert.equal(slow.status, 504);
        assert.equal(grpc.isOver, false);
        streams[0]!.respond(200, { fields: ["grpc-status", "0"] });
        await other.until("answer", () => grpc.isOver);
        assert.equal(grpc.status, 200);
      });
    }
  });
});

Deno.test("413: content over max_body_bytes, declared or not, and the backend never has all of it", async (t) => {
  await using scene = await openScene({}, { max_body_bytes: 1_000 });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      for (const backend of VERSIONS) {
        await t.step(`${version} to ${backend}`, async () => {
          const target = { addr, name: NAME_OF[backend] };
          const requests = scene.requests[backend];
          const before = requests.length;
          const declared = await sized(scene, target, version, 1_001, true);
          assertPlain(declared, 413);
          assert.equal(requests.length, before, "the backend was asked");
          assertPlain(await sized(scene, target, version, 1_001, false), 413);
          assert.equal((await sized(scene, target, version, 1_000, true)).status, 200);
          assert.equal((await sized(scene, target, version, 1_000, false)).status, 200);
          const complete = requests.slice(before).filter(({ isEnded }) => isEnded);
          assert.deepEqual(complete.map(({ bytes }) => bytes), [1_000, 1_000]);
        });
      }
    }
  });
});

/** Sends that much content on a connection of its own. */
async function sized(
  { site }: Scene,
  target: { addr: string; name: string },
  version: "h2" | "http/1.1",
  bytes: number,
  isDeclared: boolean,
): Promise<PeerStream> {
  await using client = await L7Peer.open(site, target, version);
  const fields = isDeclared ? ["content-length", `${bytes}`] : [];
  return await client.answer({ method: "POST", fields }, { text: "x".repeat(bytes) });
}

/** Requests of HTTP/1.1 as they are written, and whether the connection goes on after the answer. */
const TEXTS: readonly { status: number; name: string; text: string; goesOn?: boolean }[] = [
  {
    status: 405,
    name: "CONNECT",
    text: "CONNECT h1.test:443 HTTP/1.1\r\nHost: h1.test:443\r\n\r\n",
  },
  {
    status: 421,
    name: "another route's name",
    text: "GET / HTTP/1.1\r\nHost: h2c.test\r\n\r\n",
    goesOn: true,
  },
  { status: 421, name: "an unknown name", text: "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n", goesOn: true },
  { status: 421, name: "an address", text: "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", goesOn: true },
  { status: 400, name: "no Host", text: "GET / HTTP/1.1\r\n\r\n" },
  { status: 400, name: "a target that is a word", text: "GET word HTTP/1.1\r\nHost: h1.test\r\n\r\n" },
  { status: 400, name: "GET *", text: "GET * HTTP/1.1\r\nHost: h1.test\r\n\r\n" },
  {
    status: 400,
    name: "scheme http",
    text: "GET http://h1.test/ HTTP/1.1\r\nHost: h1.test\r\n\r\n",
    goesOn: true,
  },
  {
    status: 431,
    name: "a long field",
    text: `GET / HTTP/1.1\r\nHost: h1.test\r\nX: ${"y".repeat(66_000)}\r\n\r\n`,
  },
  {
    status: 431,
    name: "129 fields",
    text: `GET / HTTP/1.1\r\nHost: h1.test\r\n${"X: y\r\n".repeat(128)}\r\n`,
  },
];

Deno.test("400, 405, 421, 431 to HTTP/1.1", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    const target = { addr, name: NAME_OF["http/1.1"] };
    for (const { status, name, text, goesOn } of TEXTS) {
      await t.step(`${status}: ${name}`, async () => {
        await using client = await RawPeer.open(scene.site, target, ["http/1.1"]);
        client.send(text);
        await client.match(/\r\n\r\n\d{3} [A-Z].*\n$/s);
        assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n${status} [^\\n]+\\n$`));
        if (goesOn === true) {
          client.send("GET /next HTTP/1.1\r\nHost: h1.test\r\nConnection: close\r\n\r\n");
          await client.match(/HTTP\/1\.1 200 [^]*hello/);
        }
        assert.equal(await client.ended(), "close_notify");
      });
    }
  });
  assert.deepEqual(
    new Set(scene.requests["http/1.1"].map(({ request }) => request!.path)),
    new Set(["/next"]),
  );
});

const SAID: readonly { status: number; name: string; head: Partial<RequestHead> }[] = [
  {
    status: 405,
    name: "CONNECT",
    head: { method: "CONNECT", scheme: "", path: "", authority: "h2c.test:443" },
  },
  { status: 421, name: "another route's name", head: { authority: "h1.test" } },
  { status: 421, name: "an unknown name", head: { authority: "nobody.test" } },
  { status: 400, name: "scheme http", head: { scheme: "http" } },
];

const START = [":method", "GET", ":scheme", "https", ":authority", "h2c.test"];
const GET = [...START, ":path", "/"];

/** What a well-behaved client can't say. */
const UNSAID: readonly { answer: string; name: string; fields: readonly string[] }[] = [
  { answer: "status 400", name: "a path that is a word", fields: [...START, ":path", "word"] },
  { answer: "RST_STREAM PROTOCOL_ERROR", name: "no path", fields: START },
  { answer: "status 400", name: "Host that differs", fields: [...GET, "host", "other.test"] },
  { answer: "status 431", name: "a long field", fields: [...GET, "x", "y".repeat(66_000)] },
  { answer: "status 431", name: "129 fields", fields: [...GET, ...Array.from({ length: 258 }, () => "x")] },
];

Deno.test("400, 405, 421, 431 to HTTP/2, which end one stream and not the connection", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    const target = { addr, name: NAME_OF.h2 };
    await using client = await L7Peer.open(scene.site, target, "h2");
    for (const { status, name, head } of SAID) {
      await t.step(`${status}: ${name}`, async () => {
        assertPlain(await client.answer(head), status);
        assert.equal((await client.answer()).status, 200);
      });
    }
    await t.step("431: a long field of a gRPC call", async () => {
      assertGrpc(await client.answer({ method: "POST", fields: [...GRPC, "x", "y".repeat(66_000)] }), "8");
    });
    for (const { answer, name, fields } of UNSAID) {
      await t.step(`${answer}: ${name}`, async () => {
        await using raw = await RawPeer.open(scene.site, target, ["h2"]);
        raw.send(rawRequest(fields));
        assert.equal(await raw.until("answer", () => raw.end ?? answerOf(raw.bytes)), answer);
      });
    }
  });
});

/** What a backend of HTTP/1.1 says, after which nobody may believe it. */
const GARBAGE: readonly (readonly [name: string, answer: string])[] = [
  ["nonsense", "nonsense\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
  ["a head that is too large", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}\r\n\r\n`],
  ["a 101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"],
  ["eleven interim responses", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(11)],
  ["nothing", ""],
];

Deno.test("502: a backend that sends garbage, or leaves without an answer", async (t) => {
  let next = 0;
  await using backend = await rawBackend(async (connection) => {
    await connection.head();
    await connection.send(GARBAGE[next]![1]).catch(() => {});
    await connection.finish();
    await connection.toEnd();
  });
  await using scene = await openScene();
  const routes = [scene.site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const [index, [name]] of GARBAGE.entries()) {
      next = index;
      for (const version of VERSIONS) {
        await t.step(`${name} to ${version}`, async () => {
          await using client = await L7Peer.open(scene.site, { addr, name: "h1.test" }, version);
          assertPlain(await client.answer(), 502);
        });
      }
    }
  });
});
