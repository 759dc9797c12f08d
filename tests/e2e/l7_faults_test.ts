/**
 * Goal: whatever a backend or a client does in the middle, nobody ever takes half of a message for a whole one.
 * Method: the real program; backends that reset, stall, close and break their framing at a chosen moment, clients that
 * leave.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { block, concat, frame, settings } from "../http2/raw_peer.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { serveQuietly } from "../support/quiet.ts";
import { pause } from "./eventually.ts";
import { L7Peer } from "./l7_peer.ts";
import { NAME_OF, openScene, type Scene, VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend } from "./raw_backend.ts";

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

Deno.test("an answer that comes before all of the request was read reaches the client, though its backend has closed", async (t) => {
  await using backend = await rawBackend(async (connection) => {
    await connection.head();
    await connection.send(
      "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
    );
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  const text = "x".repeat(2_000_000);
  const head = { method: "POST", fields: ["content-length", `${text.length}`] };
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        for (let round = 0; round < 5; round++) {
          await using client = await L7Peer.open(site, { addr, name: "h1.test" }, version);
          const stream = client.ask(head, { text });
          await client.until("answer", () => stream.isOver);
          assert.deepEqual([stream.status, stream.text], [413, "big"]);
        }
      });
    }
  });
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

Deno.test("a connection on which a backend went without a word gets no later requests", async (t) => {
  const rows = [["a 504", "1s"], ["a client's cancel", "60s"]] as const;
  for (const [name, timeout] of rows) {
    await t.step(`after ${name}`, async () => {
      await using site = await openSite();
      // As after a power cut, the first connection stands, and nothing comes on it any more.
      await using backend = await rawBackend(async (connection) => {
        await connection.send(concat(settings(), frame(FrameType.SETTINGS, 1, 0)));
        // deno-lint-ignore no-control-regex -- the beginning of a frame: HEADERS of stream 1 with their end
        await connection.take(/[^]*?[^]{3}\x01\x05\0\0\0\x01/);
        await connection.send(frame(FrameType.HEADERS, 5, 1, block(":status", "200")));
        await connection.toEnd();
      });
      const tables = {
        listeners: [{ routes: [site.route("h2c.test", backend.addr)] }],
        proxy: { workers: 1 },
        http: { response_header_timeout: timeout },
      };
      await serveQuietly(tables, async ({ addr }) => {
        await using client = await L7Peer.open(site, { addr, name: "h2c.test" }, "h2");
        assert.equal((await client.answer()).status, 200);
        const lost = client.ask();
        if (timeout === "1s") {
          await client.until("answer", () => lost.isOver);
          assert.equal(lost.status, 504);
        } else {
          // Silence counts from a second on.
          await pause(1_200);
          lost.cancel(ErrorCode.CANCEL);
        }
        assert.equal((await client.answer()).status, 200);
        assert.equal(backend.accepted, 2);
      });
    });
  }
});
