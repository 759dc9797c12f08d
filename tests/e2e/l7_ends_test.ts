/**
 * Goal: a layer-7 connection ends as behaviour says: alerts where TLS can't begin, GOAWAY and patience when the program
 * stops, a RST for what doesn't end in time, challenges of ACME at layer 4.
 * Method: the real program, curl and TLS clients; a backend that answers when it is told.
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { startServer } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { serveQuietly, stopWithoutFault } from "../support/quiet.ts";
import { exchange, openClient, parseAlert } from "../support/raw_client.ts";
import { ADMIN_SOCKET } from "./admin_api.ts";
import { curl, openSite } from "./l7_site.ts";

/** A backend in clear that answers each request when `open` is called. */
function gatedBackend() {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    asked.resolve();
    await gate.promise;
    return new Response("late");
  });
  return {
    addr: `127.0.0.1:${server.addr.port}`,
    asked: asked.promise,
    open: gate.resolve,
    [Symbol.asyncDispose]: async () => {
      gate.resolve();
      await server.shutdown();
    },
  };
}

Deno.test("a stop waits for the request that is open, and says that it was the last", async (t) => {
  for (const flag of ["--http2", "--http1.1"]) {
    await t.step(flag, async () => {
      await using site = await openSite();
      await using backend = gatedBackend();
      await using proxy = await startProxy({
        listeners: [{ routes: [site.route("h2c.test", backend.addr)] }],
      });
      const asking = curl(site, proxy.addr, "h2c.test", "/", flag);
      await backend.asked;
      proxy.program.signal("SIGTERM");
      await proxy.program.event(({ event }) => event === "draining");
      backend.open();
      const { status, body } = await asking;
      assert.deepEqual([status, body], [200, "late"]);
      const { code, stderr } = await proxy.program.completed();
      assert.deepEqual([code, stderr, proxy.program.events.at(-1)!["cut"]], [0, "", 0]);
    });
  }
});

Deno.test("a takeover waits for the request that is open, and the new server answers the next one", async (t) => {
  for (const flag of ["--http2", "--http1.1"]) {
    await t.step(flag, async () => {
      await using site = await openSite();
      await using backend = gatedBackend();
      await using proxy = await startProxy({
        listeners: [{ routes: [site.route("h2c.test", backend.addr)] }],
        grpc: ADMIN_SOCKET,
      });
      const asking = curl(site, proxy.addr, "h2c.test", "/", flag);
      await backend.asked;
      await using next = await startServer(proxy.config.path, { args: ["--takeover"] });
      await proxy.program.event(({ step }) => step === "handed_over");
      backend.open();
      const { status, body } = await asking;
      assert.deepEqual([status, body], [200, "late"]);
      const { code, stderr } = await proxy.program.completed();
      assert.deepEqual([code, stderr, proxy.program.events.at(-1)!["cut"]], [0, "", 0]);
      assert.equal((await curl(site, proxy.addr, "h2c.test", "/", flag)).status, 200);
      await next.connectionEvent({ sni: "h2c.test" });
    });
  }
});

Deno.test("a stop cuts the request that doesn't end in time with a RST", async () => {
  await using site = await openSite();
  await using backend = gatedBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [site.route("h2c.test", backend.addr)] }],
    proxy: { shutdown_timeout: "300ms" },
  });
  const asking = curl(site, proxy.addr, "h2c.test", "/");
  await backend.asked;
  assert.equal(await stopWithoutFault(proxy), 1);
  assert.notEqual((await asking).exit, 0);
  const [connection] = proxy.program.events.filter(({ event }) => event === "connection");
  assert.equal(connection!["reason"], "drained");
});

Deno.test("TLS that can't begin gets an alert, a challenge of ACME its backend", async (t) => {
  await using site = await openSite();
  await using acme = echoBackend();
  const routes = [
    site.route("h2c.test", site.clear, { acme_backend: acme.addr }),
    site.route("h1.test", site.clear),
  ];
  const rows: readonly (readonly [string, string, readonly string[], number])[] = [
    ["no common protocol", "h2c.test", ["smtp"], 120],
    ["a challenge without a backend for it", "h1.test", ["acme-tls/1"], 120],
  ];
  const connections = await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const [name, serverName, alpn, alert] of rows) {
      await t.step(name, async () => {
        const { bytes, end } = await exchange(addr, clientHello({ serverName, alpn }));
        assert.deepEqual([parseAlert(bytes)?.description, end], [alert, "fin"]);
      });
    }
    await t.step("only ciphers of old", async () => {
      const hello = clientHello({ serverName: "h1.test", version: "1.2" });
      // The suites that it offers become four with CBC, which is all that TLS 1.1 knows.
      const at = hello.findIndex((byte, index) =>
        byte === 0x13 && hello[index + 1] === 1 && hello[index + 2] === 0x13
      );
      hello.set([0xc0, 0x09, 0xc0, 0x0a, 0xc0, 0x13, 0xc0, 0x14], at);
      const { bytes, end } = await exchange(addr, hello);
      assert.deepEqual([parseAlert(bytes)?.description, end], [40, "fin"]);
    });
    await t.step("a challenge", async () => {
      using client = await openClient(addr);
      const hello = clientHello({ serverName: "h2c.test", alpn: ["acme-tls/1"] });
      await client.send(hello);
      assert.deepEqual(await client.readBytes(hello.length), hello);
      await client.finish();
      await client.readToEnd();
    });
  });
  assert.deepEqual(connections.map(({ reason }) => reason).sort(), [
    "client_eof",
    "no_alpn",
    "no_alpn",
    "tls_failed",
  ]);
});
