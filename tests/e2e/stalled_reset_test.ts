/**
 * Goal: a RST is passed on while the other side takes nothing, though nobody reads from the side that has gone.
 * Method: one side sends more than all buffers hold to another that doesn't read, and resets when it can send no more.
 *
 * @module
 */

import assert from "node:assert/strict";
import { descriptorOf, loadNative, resetSocket } from "../../src/net/native.ts";
import { clientHello } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";
import { scriptedBackend } from "../support/scripted_backend.ts";
import { fill, FULL_MS } from "./fill.ts";

loadNative();
const HELLO = clientHello({ serverName: "a.test" });
/** A look each second, at what has been stalled for one. */
const NOTICED_MS = 6_000;

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
