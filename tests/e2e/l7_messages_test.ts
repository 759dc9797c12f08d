/**
 * Goal: messages keep their shape: what comes in pieces arrives in pieces, what has no content has none, requests on one
 * connection are answered in order, and nobody waits for what isn't coming.
 * Method: the real program between clients and backends of either version.
 *
 * @module
 */

import assert from "node:assert/strict";
import { lines, valuesOf } from "../l7/heads.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { fillPattern, patternSha256 } from "../support/pattern.ts";
import { serveQuietly } from "../support/quiet.ts";
import { createHash } from "node:crypto";
import { L7Peer, RawPeer } from "./l7_peer.ts";
import { eachPair, NAME_OF, openScene, type Scene, VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend } from "./raw_backend.ts";

const MIB = 1_048_576;

Deno.test("server-sent events arrive one by one, each before the next is sent", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => stream.respond(200, { fields: ["content-type", "text/event-stream"], isOpen: true }),
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
        const stream = client.ask({ path: "/events" });
        await client.until("head", () => stream.status === 200);
        const far = scene.requests[backend].at(-1)!;
        const startedMs = performance.now();
        for (let count = 0; count < 20; count++) {
          const event = `data: ${count}\n\n`;
          far.send(event);
          await client.until(event, () => stream.text.endsWith(event));
        }
        // Not when some timer next looks.
        assert.ok(performance.now() - startedMs < 5_000);
        far.send("", true);
        await client.until("end", () => stream.isEnded);
      });
    });
  });
});

Deno.test("an upload arrives while it is sent", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
        const path = `/${pair}`.replaceAll(" ", "-");
        const stream = client.ask({ method: "POST", path }, { isOpen: true });
        for (let count = 0; count < 20; count++) {
          stream.send(`part ${count}.`);
          await scene.backends[backend].until(`part ${count}`, () => {
            const far = scene.requests[backend].find(({ request }) => request!.path === path);
            return far?.text.endsWith(`part ${count}.`);
          });
        }
        stream.send("", true);
        await client.until("answer", () => stream.isOver);
        assert.equal(stream.text, "hello");
      });
    });
  });
});

Deno.test("HEAD, 204 and 304 have no content whatever they say of it, and the connection goes on", async (t) => {
  await using backend = await rawBackend(async (connection) => {
    for (let head; (head = await connection.head()) !== undefined;) {
      const [method, target] = head.split(" ");
      const status = target!.slice(1);
      const text = method === "HEAD" || status !== "200" ? "" : "hello";
      const length = status === "204" ? "" : "Content-Length: 5\r\n";
      await connection.send(`HTTP/1.1 ${status} Whatever\r\nETag: "x"\r\n${length}\r\n${text}`);
    }
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  const rows = [["HEAD", 200, ["5"]], ["GET", 204, []], ["GET", 304, ["5"]], ["HEAD", 304, ["5"]]] as const;
  await serveQuietly({ listeners: [{ routes }], proxy: { workers: 1 } }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await using client = await L7Peer.open(site, { addr, name: "h1.test" }, version);
      for (const [method, status, length] of rows) {
        await t.step(`${method} ${status} to ${version}`, async () => {
          const stream = await client.answer({ method, path: `/${status}` });
          assert.deepEqual([stream.status, stream.bytes, stream.isEnded], [status, 0, true]);
          assert.deepEqual(valuesOf(stream.responses[0]!.fields, "content-length"), length);
          assert.deepEqual(valuesOf(stream.responses[0]!.fields, "etag"), ['"x"']);
          assert.equal((await client.answer({ path: "/200" })).text, "hello");
        });
      }
    }
  });
  assert.equal(backend.accepted, 1, "the backend's connection was not kept");
});

Deno.test("HEAD ends with its head where a backend of HTTP/2 doesn't end it, or even sends content", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => {
      stream.respond(200, { isOpen: true });
      if (stream.request!.path === "/content") stream.send("content", true);
    },
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF.h2 }, version);
      for (const path of ["/open", "/content"]) {
        await t.step(`${path} to ${version}`, async () => {
          const { status, bytes, isEnded } = await client.answer({ method: "HEAD", path });
          assert.deepEqual([status, bytes, isEnded], [200, 0, true]);
        });
      }
    }
  });
});

Deno.test("pipelined requests are answered in order, the next one after the last byte of the one before", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => stream.respond(200, { text: `${stream.request!.path}:${stream.text}.` }),
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const backend of VERSIONS) {
      await t.step(backend, async () => {
        const name = NAME_OF[backend];
        await using client = await RawPeer.open(scene.site, { addr, name }, ["http/1.1"]);
        const requests = Array.from(
          { length: 50 },
          (_, index) =>
            index % 2 === 0
              ? `GET /${index} HTTP/1.1\r\nHost: ${name}\r\n\r\n`
              : `POST /${index} HTTP/1.1\r\nHost: ${name}\r\nContent-Length: 4\r\n\r\nbody`,
        );
        client.send(requests.join(""));
        client.send(`GET /last HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
        assert.equal(await client.ended(), "close_notify");
        const expected = Array.from(
          { length: 50 },
          (_, index) => `/${index}:${index % 2 === 0 ? "" : "body"}.`,
        );
        assert.deepEqual(client.text.match(/\/\w+:\w*\./g), [...expected, "/last:."]);
        assert.equal(client.text.match(/^HTTP\/1\.1 200 OK\r$/gm)?.length, 51);
        assert.match(client.text, /connection: close\r\n[^]*\/last/i);
      });
    }
  });
});

Deno.test("500 requests at once on one connection of HTTP/2, and 200 in a row on one of HTTP/1.1", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => stream.respond(200, { text: stream.request!.path }),
  });
  const connections = await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const backend of VERSIONS) {
      await t.step(`to ${backend}`, async () => {
        const target = { addr, name: NAME_OF[backend] };
        await using many = await L7Peer.open(scene.site, target, "h2");
        await many.answer();
        const streams: PeerStream[] = [];
        for (let index = 0; index < 500; index++) {
          await many.until("a free stream", () => many.peer.codec.canRequest);
          streams.push(many.ask({ path: `/${index}` }));
        }
        await many.until("answers", () => streams.every(({ isOver }) => isOver));
        assert.deepEqual(streams.map(({ text }) => text), streams.map((_, index) => `/${index}`));
        await using row = await L7Peer.open(scene.site, target, "http/1.1");
        for (let index = 0; index < 200; index++) {
          assert.equal((await row.answer({ path: `/${index}` })).text, `/${index}`);
        }
      });
    }
  });
  assert.equal(connections.length, 4);
});

Deno.test("100 Continue comes from the backend, and so does a refusal instead of it", async (t) => {
  await using scene = await openScene({
    onHead: (stream) => {
      if (stream.request!.path === "/refused") stream.respond(417, { text: "no" });
      else stream.respond(100, { isOpen: true });
    },
    onEnd: (stream) => {
      if (stream.request!.path !== "/refused") stream.respond(200, { text: stream.text });
    },
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
        const fields = ["expect", "100-continue", "content-length", "4"];
        const stream = client.ask({ method: "POST", path: "/taken", fields }, { isOpen: true });
        await client.until("100", () => stream.responses[0]?.status === 100);
        assert.deepEqual(valuesOf(scene.requests[backend].at(-1)!.request!.fields, "expect"), [
          "100-continue",
        ]);
        stream.send("body", true);
        await client.until("answer", () => stream.isOver);
        assert.deepEqual([stream.status, stream.text], [200, "body"]);
        const refused = client.ask({ method: "POST", path: "/refused", fields }, { isOpen: true });
        await client.until("417", () => refused.status === 417 && refused.text === "no");
      });
    });
  });
});

Deno.test("other interim responses pass, but none to a client of HTTP/1.0", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => {
      stream.respond(103, { fields: ["link", "</a.css>; rel=preload"], isOpen: true });
      stream.respond(200, { text: "hello" });
    },
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
        const { responses, text } = await client.answer();
        assert.deepEqual([responses.map(({ status }) => status), text], [[103, 200], "hello"]);
        assert.deepEqual(lines(responses[0]!.fields), ["link: </a.css>; rel=preload"]);
      });
    });
    await t.step("HTTP/1.0", async () => {
      await using client = await RawPeer.open(scene.site, { addr, name: NAME_OF.h2 }, ["http/1.1"]);
      client.send("GET / HTTP/1.0\r\nHost: h2c.test\r\n\r\n");
      assert.equal(await client.ended(), "close_notify");
      assert.match(client.text, /^HTTP\/1\.[01] 200 OK\r\n[^]*\r\n\r\nhello$/);
      assert.doesNotMatch(client.text, /103|chunked/);
    });
  });
});

Deno.test("a client that stops reading stops its backend, holds up no other, and gets all of it in the end", async (t) => {
  const bytes = 48 * MIB;
  const content = new Uint8Array(bytes);
  fillPattern(content, 0);
  for (const version of VERSIONS) {
    for (const backend of VERSIONS) {
      await t.step(`${version} to ${backend}`, async () => {
        let sent = 0;
        await using scene = await openScene({
          onEnd: (stream) => {
            if (stream.request!.path !== "/large") return stream.respond(200, { text: "hello" });
            stream.respond(200, { isOpen: true });
            stream.send(content, true);
          },
          http2: { maxBufferedBytesPerConnection: 2 * bytes },
        });
        await serveQuietly(
          { listeners: [{ routes: scene.routes }], proxy: { workers: 1 } },
          async ({ addr }) => {
            const target = { addr, name: NAME_OF[backend] };
            await using client = await L7Peer.open(scene.site, target, version);
            const hash = createHash("sha256");
            const stream = client.ask({ path: "/large" });
            stream.take = (part) => {
              hash.update(part);
              sent += part.length;
              stream.bytes = sent;
            };
            await client.until("some", () => stream.bytes > 0);
            client.hold();
            // Others on the same backend connection, or beside it, go on.
            await using other = await L7Peer.open(scene.site, target, "h2");
            for (let round = 0; round < 20; round++) assert.equal((await other.answer()).status, 200);
            // Of HTTP/2 the backend's own codec says how much its windows hold back.
            if (backend === "h2") assert.ok(heldBack(scene) > bytes / 2, `${heldBack(scene)} bytes`);
            client.release();
            await client.until("all of it", () => stream.isOver);
            assert.deepEqual([stream.isEnded, stream.bytes, hash.digest("hex")], [
              true,
              bytes,
              patternSha256(bytes),
            ]);
          },
        );
      });
    }
  }
});

/** Content that the h2 backend wasn't allowed to send yet. */
function heldBack({ backends }: Scene): number {
  let sum = 0;
  for (const { peer } of backends.h2.connections) {
    for (const id of peer.streams.keys()) sum += peer.codec.pending(id);
  }
  return sum;
}
