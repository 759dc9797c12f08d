/**
 * Goal: a removed layer-7 route lets go of its connections as it is told to: drained, kept or closed; changes of other
 * routes, of its own backend and of certificates drop none.
 * Method: the real program and its admin API, clients of both HTTP versions with requests open, a backend that answers
 * when it is told.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Existing } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { CodecBackend } from "../l7/codec_backend.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { endings } from "./endings.ts";
import { pause } from "./eventually.ts";
import { L7Peer } from "./l7_peer.ts";
import { openSite, type Site } from "./l7_site.ts";

const NAME = "h2c.test";
const OTHER = "h1.test";
const VERSIONS = ["h2", "http/1.1"] as const;
/** Routes beside the one under test that come and go. */
const CHURN = 10;

/** Answers `/open` when the test does, all else at once. */
function promptBackend(text: string): CodecBackend {
  return new CodecBackend({
    version: "h2",
    onHead: (stream) => {
      if (stream.request!.path !== "/open") stream.respond(200, { text });
    },
  });
}

async function start(site: Site, backend: CodecBackend, proxy: object = {}) {
  const routes = [NAME, OTHER].map((name) => site.route(name, `127.0.0.1:${backend.port}`));
  return await startProxy({ listeners: [{ routes }], grpc: ADMIN_SOCKET, proxy: { workers: 2, ...proxy } });
}

/** A client with a request that is open, and one that has nothing to do. */
async function open(site: Site, addr: string, version: "h2" | "http/1.1", backend: CodecBackend) {
  const busy = await L7Peer.open(site, { addr, name: NAME }, version);
  const before = backend.streams.length;
  const stream = busy.ask({ path: "/open" });
  const received = await backend.until("request", () => backend.streams[before]);
  const idle = await L7Peer.open(site, { addr, name: NAME }, version);
  assert.equal((await idle.answer({})).status, 200);
  return {
    busy,
    stream,
    received,
    idle,
    [Symbol.asyncDispose]: async () => {
      await busy[Symbol.asyncDispose]();
      await idle[Symbol.asyncDispose]();
    },
  };
}

function reasonsOf(events: readonly Record<string, unknown>[]): string[] {
  return events.map(({ reason }) => `${reason}`).toSorted();
}

Deno.test("a removed route drains: no new request comes, those that are open go on to their end", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using site = await openSite();
      await using backend = promptBackend("hello");
      await using proxy = await start(site, backend);
      await using clients = await open(site, proxy.addr, version, backend);
      await using beside = await L7Peer.open(site, { addr: proxy.addr, name: OTHER }, version);
      await using admin = await adminOf(proxy.config.folder);
      // Unspecified, which means DRAIN.
      assert.equal((await admin.api.removeRoute({ id: 1 })).connectionsTouched, 2);
      const { busy, stream, received, idle } = clients;
      assert.equal(await idle.ended(), "close_notify");
      if (version === "h2") {
        await busy.until("last GOAWAY", () => busy.peer.goAways.length === 2);
        assert.equal(busy.peer.goAways.at(-1), stream.id);
      }
      received.respond(200, { text: "late" });
      await busy.until("answer", () => stream.isOver);
      assert.deepEqual([stream.status, stream.text, await busy.ended()], [200, "late", "close_notify"]);
      assert.equal((await beside.answer({})).status, 200);
      await beside[Symbol.asyncDispose]();
      await clients[Symbol.asyncDispose]();
      await endings(proxy, 3);
      const events = await stopQuietly(proxy);
      assert.deepEqual(reasonsOf(events), ["client_eof", "drained", "drained"]);
    });
  }
});

Deno.test("what a removed route has left after shutdown_timeout is cut with a RST", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using site = await openSite();
      await using backend = promptBackend("hello");
      await using proxy = await start(site, backend, { shutdown_timeout: "500ms" });
      await using clients = await open(site, proxy.addr, version, backend);
      await using admin = await adminOf(proxy.config.folder);
      await admin.api.removeRoute({ id: 1, existing: Existing.DRAIN });
      assert.equal(await clients.busy.ended(), "reset");
      await backend.until("reset", () => clients.received.resetCode !== undefined);
      await clients[Symbol.asyncDispose]();
      assert.deepEqual(reasonsOf(await stopQuietly(proxy)), ["drained", "drained"]);
    });
  }
});

Deno.test("a removed route that keeps its connections answers what is open, and 421 to what comes", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using site = await openSite();
      await using backend = promptBackend("hello");
      await using proxy = await start(site, backend, { shutdown_timeout: "200ms" });
      await using clients = await open(site, proxy.addr, version, backend);
      await using admin = await adminOf(proxy.config.folder);
      assert.equal((await admin.api.removeRoute({ id: 1, existing: Existing.KEEP })).connectionsTouched, 2);
      const { busy, stream, received, idle } = clients;
      assert.equal((await idle.answer({})).status, 421);
      await pause(500);
      received.respond(200, { text: "late" });
      await busy.until("answer", () => stream.isOver);
      assert.deepEqual([stream.status, stream.text], [200, "late"]);
      assert.equal((await busy.answer({})).status, 421);
      assert.deepEqual([busy.peer.goAways, busy.end, idle.end], [[], undefined, undefined]);
      await clients[Symbol.asyncDispose]();
      await stopQuietly(proxy);
    });
  }
});

Deno.test("a removed route that closes its connections ends them at once, and its backends' requests", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using site = await openSite();
      await using backend = promptBackend("hello");
      await using proxy = await start(site, backend);
      await using clients = await open(site, proxy.addr, version, backend);
      await using admin = await adminOf(proxy.config.folder);
      assert.equal((await admin.api.removeRoute({ id: 1, existing: Existing.CLOSE })).connectionsTouched, 2);
      const { busy, stream, received, idle } = clients;
      // Not with a close_notify, which would make what was cut look whole.
      for (const client of [busy, idle]) assert.notEqual(await client.ended(), "close_notify");
      assert.equal(stream.status, undefined);
      await backend.until("reset", () => received.resetCode !== undefined);
      await clients[Symbol.asyncDispose]();
      const events = await stopQuietly(proxy);
      assert.deepEqual(reasonsOf(events), ["route_removed", "route_removed"]);
    });
  }
});

Deno.test("changes of routes and certificates never drop a connection, and requests go where its route leads now", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using site = await openSite();
      await using first = promptBackend("first");
      await using second = promptBackend("second");
      await using proxy = await start(site, first);
      await using clients = await open(site, proxy.addr, version, first);
      await using admin = await adminOf(proxy.config.folder);
      const { api } = admin;
      const { busy, stream, received, idle } = clients;
      for (let number = 0; number < CHURN; number++) {
        const { route } = await api.addRoute({
          route: { hostname: `x${number}.test`, backend: "127.0.0.1:1" },
        });
        assert.equal((await idle.answer({})).text, "first");
        await api.removeRoute({ id: route!.id });
      }
      await api.removeRoute({ id: 2 });
      proxy.program.signal("SIGHUP");
      await proxy.program.event(({ event }) => event === "reloaded" || event === "reload");
      assert.equal((await idle.answer({})).text, "first");
      await api.updateRoute({
        route: { id: 1, backend: `127.0.0.1:${second.port}` },
        updateMask: { paths: ["backend"] },
      });
      assert.equal((await idle.answer({})).text, "second");
      received.respond(200, { text: "late" });
      await busy.until("answer", () => stream.isOver);
      assert.equal(stream.text, "late");
      assert.equal((await busy.answer({})).text, "second");
      assert.deepEqual([busy.peer.goAways, busy.end, idle.end], [[], undefined, undefined]);
      await clients[Symbol.asyncDispose]();
      await endings(proxy, 2);
      const events = await stopQuietly(proxy);
      assert.deepEqual(reasonsOf(events), ["client_eof", "client_eof"]);
    });
  }
});
