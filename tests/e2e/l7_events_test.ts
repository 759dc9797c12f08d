/**
 * Goal: with `[log] requests` each request is one line with exactly what is known of it, and no line ever holds the value
 * of a header or a byte of content.
 * Method: the real program; the whole event is compared, the figures of time by their bounds, and the whole output is
 * searched for what must not be there.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import type { LogEvent } from "../support/program.ts";
import { freePort } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { serveQuietly, stopWithoutFault } from "../support/quiet.ts";
import { L7Peer, RawPeer } from "./l7_peer.ts";
import { eachPair, NAME_OF, openScene, VERSIONS } from "./l7_scene.ts";
import { rawRequest } from "./raw_http2.ts";

const SECRET = "hush-hush";
/** A field that would be two in HTTP/1.1. */
const SMUGGLING = [
  ...[":method", "GET", ":scheme", "https", ":authority", NAME_OF.h2, ":path", "/"],
  ...["x-a", `b\r\n${SECRET}: c`],
];
const LOG = { requests: true };

/** An event without what differs from run to run, which is checked. */
function steady(event: LogEvent): LogEvent {
  const { time: _time, connection, request, first_byte_ms, total_ms, ...rest } = event;
  assert.match(`${connection}`, /^[0-9A-Za-z_-]{6,}$/);
  assert.match(`${request}`, /^[0-9A-Za-z_.-]*$/);
  assert.ok(typeof total_ms === "number" && total_ms >= 0 && total_ms < 60_000, `${total_ms}`);
  if (first_byte_ms !== undefined) {
    assert.ok(Number(first_byte_ms) <= total_ms, `${first_byte_ms} > ${total_ms}`);
  }
  return rest;
}

Deno.test("a request's event has every field, and no value of a header", async (t) => {
  await using scene = await openScene({
    onEnd: (stream) => stream.respond(201, { fields: ["set-cookie", SECRET, "x-y", SECRET], text: "four" }),
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }], log: LOG }, async ({ addr, program }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
        const path = `/p?q=${pair.replaceAll(" ", "-")}`;
        const fields = ["authorization", SECRET, "cookie", SECRET, "x-z", SECRET, "x-request-id", "mine-1"];
        await client.answer({ method: "POST", path, authority: `${NAME_OF[backend]}:443`, fields }, {
          text: "content",
        });
        const event = await program.event((one) => one["path"] === path);
        assert.equal(event["request"], "mine-1");
        assert.ok(event["first_byte_ms"] !== undefined);
        assert.deepEqual(steady(event), {
          level: "info",
          event: "request",
          route: NAME_OF[backend],
          backend: `127.0.0.1:${scene.backends[backend].port}`,
          method: "POST",
          authority: `${NAME_OF[backend]}:443`,
          path,
          status: 201,
          bytes_received: 7,
          bytes_sent: 4,
        });
      });
    });
    const { stdout, stderr } = program.output;
    assert.doesNotMatch(stdout + stderr, new RegExp(`${SECRET}|content-type|four`));
  });
});

Deno.test("what the program answers itself, and what a client cancels, has its event", async (t) => {
  await using scene = await openScene({ onEnd: () => {} });
  const down = `127.0.0.1:${freePort()}`;
  const routes = [...scene.routes, scene.site.route("down.test", down)];
  await serveQuietly({ listeners: [{ routes }], log: LOG }, async ({ addr, program }) => {
    const common = { level: "info", event: "request", method: "GET", bytes_received: 0 };
    for (const version of VERSIONS) {
      await t.step(`502 to ${version}`, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: "down.test" }, version);
        const { bytes } = await client.answer({ path: `/502/${version}` });
        const event = await program.event(({ path }) => path === `/502/${version}`);
        assert.deepEqual(steady(event), {
          ...common,
          route: "down.test",
          backend: down,
          authority: "down.test",
          path: `/502/${version}`,
          status: 502,
          bytes_sent: bytes,
        });
      });
      await t.step(`421 to ${version}`, async () => {
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF.h2 }, version);
        const { bytes } = await client.answer({ path: `/421/${version}`, authority: "nobody.test" });
        const event = await program.event(({ path }) => path === `/421/${version}`);
        assert.equal(event["request"], "", "it never got one");
        assert.deepEqual(steady(event), {
          ...common,
          route: NAME_OF.h2,
          authority: "nobody.test",
          path: `/421/${version}`,
          status: 421,
          bytes_sent: bytes,
        });
      });
    }
    for (const version of VERSIONS) {
      await t.step(`what is no request, in ${version}`, async () => {
        await using client = await RawPeer.open(scene.site, { addr, name: NAME_OF.h2 }, [version]);
        const before = program.events.length;
        client.send(version === "h2" ? rawRequest(SMUGGLING) : "GET / HTTP/1.1\r\nX : y\r\n\r\n");
        const event = await program.event((event) => event["status"] === 400, undefined, before);
        const nothing = { method: "", authority: "", path: "", bytes_sent: 0 };
        assert.deepEqual(steady(event), { ...common, ...nothing, route: NAME_OF.h2, status: 400 });
      });
    }
    await t.step("cancelled", async () => {
      await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF.h2 }, "h2");
      const stream = client.ask({ path: "/cancelled" });
      await scene.backends.h2.until("request", () => scene.requests.h2.length > 0);
      stream.cancel(ErrorCode.CANCEL);
      const event = await program.event(({ path }) => path === "/cancelled");
      assert.equal(event["first_byte_ms"], undefined);
      assert.deepEqual(steady(event), {
        ...common,
        route: NAME_OF.h2,
        backend: `127.0.0.1:${scene.backends.h2.port}`,
        authority: NAME_OF.h2,
        path: "/cancelled",
        status: 0,
        bytes_sent: 0,
      });
    });
  });
});

Deno.test("without [log] requests no line tells of a request", async () => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr, program }) => {
    await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF.h2 }, "h2");
    await client.answer({ path: "/untold" });
    await client[Symbol.asyncDispose]();
    // Its connection's event comes after that of the request would have.
    await program.connectionEvent({ reason: "client_eof" });
    assert.doesNotMatch(program.output.stdout, /untold/);
  });
});

Deno.test("at level debug each request has its line, of that level", async () => {
  await using scene = await openScene();
  const tables = { listeners: [{ routes: scene.routes }], log: { level: "debug" } };
  await using proxy = await startProxy(tables);
  await using client = await L7Peer.open(scene.site, { addr: proxy.addr, name: NAME_OF.h2 }, "h2");
  await client.answer({ path: "/told" });
  const event = await proxy.program.event(({ path }) => path === "/told");
  assert.equal(event["level"], "debug");
  await client[Symbol.asyncDispose]();
  await stopWithoutFault(proxy);
});
