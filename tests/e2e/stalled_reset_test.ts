/**
 * Goal: a RST is passed on while the other side takes nothing, though nobody reads from the side that has gone.
 * Method: one side sends more than all buffers hold to another that doesn't read, and resets when it can send no more.
 *
 * @module
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { descriptorOf, loadNative, resetSocket } from "../../src/net/native.ts";
import { clientHello } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";
import { scriptedBackend } from "../support/scripted_backend.ts";
import { openSite } from "./l7_site.ts";

loadNative();
const HELLO = clientHello({ serverName: "a.test" });
const CHUNK = new Uint8Array(262_144);
/** A write that waits for so long has found every buffer on the way full. */
const FULL_MS = 500;
/** A look each second, at what has been stalled for one. */
const NOTICED_MS = 6_000;

/** Sends until nothing is taken any more. The last write is never taken: it fails with the reset. */
async function fill(send: (bytes: Uint8Array) => Promise<unknown>): Promise<void> {
  for (let isFull = false; !isFull;) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(true), FULL_MS);
    const taken = send(CHUNK).then(() => false, () => true);
    isFull = await Promise.race([promise, taken]);
    clearTimeout(timer);
  }
}

Deno.test("a backend's RST ends the connection of a client that doesn't read", async () => {
  await using backend = scriptedBackend(async (connection) => {
    await connection.read(new Uint8Array(HELLO.length));
    await fill((bytes) => connection.write(bytes));
    assert.ok(resetSocket(descriptorOf(connection)!));
  });
  const [event] = await serveQuietly(
    { listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }] },
    async ({ addr, program }) => {
      using client = await openClient(addr);
      await client.send(HELLO);
      await program.connectionEvent({}, NOTICED_MS + FULL_MS);
    },
  );
  assert.equal(event!["reason"], "backend_reset");
});

Deno.test("a client's RST ends the connection to a backend that doesn't read", async () => {
  const ended = Promise.withResolvers<void>();
  await using backend = scriptedBackend(() => ended.promise);
  const [event] = await serveQuietly(
    { listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }] },
    async ({ addr, program }) => {
      using client = await openClient(addr);
      await client.send(HELLO);
      await fill((bytes) => client.send(bytes));
      client.reset();
      await program.connectionEvent({}, NOTICED_MS);
      ended.resolve();
    },
  );
  assert.equal(event!["reason"], "client_reset");
});

Deno.test("a client's RST ends an upload over HTTP/1.1 to a backend that doesn't read", async () => {
  const ended = Promise.withResolvers<void>();
  await using backend = scriptedBackend(() => ended.promise);
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  const [event] = await serveQuietly({ listeners: [{ routes }] }, async ({ addr, program }) => {
    const [host, port] = addr.split(":");
    const socket = net.connect({ host: host!, port: Number(port) });
    const secured = tls.connect({ socket, servername: "h1.test", rejectUnauthorized: false });
    secured.on("error", () => {});
    await once(secured, "secureConnect");
    secured.write("PUT / HTTP/1.1\r\nHost: h1.test\r\nContent-Length: 1000000000\r\n\r\n");
    await fill((bytes) => new Promise((resolve) => secured.write(bytes, resolve)));
    socket.resetAndDestroy();
    await program.connectionEvent({}, NOTICED_MS);
    ended.resolve();
  });
  assert.equal(event!["reason"], "client_reset");
});
