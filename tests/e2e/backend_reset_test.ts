/**
 * Goal: a backend's RST reaches the client as a RST, and nothing else is said of it; what either side has sent before
 * it closes without having read all is passed on.
 * Method: a backend that resets as soon as it has the hello, peers that close over what they haven't read; the program
 * must have been quiet.
 *
 * @module
 */

import assert from "node:assert/strict";
import { resettingBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";
import { writeWhole } from "../support/scripted_backend.ts";
import { textOf } from "./raw_backend.ts";

const HELLO = clientHello({ serverName: "a.test" });
/** More than is ever taken before the end. */
const SURPLUS = new Uint8Array(8_000_000);
const LAST = new TextEncoder().encode("last words");
const ROUNDS = 10;

/** Waits for a byte, sends the last words, and closes over what it hasn't read. */
async function leave(conn: Deno.TcpConn): Promise<void> {
  await conn.read(new Uint8Array(1));
  await conn.write(LAST);
  conn.close();
}

/** Sends `first` and more than is taken. @returns what comes until the connection has ended, however that is told */
async function talk(conn: Deno.TcpConn, first: Uint8Array): Promise<string> {
  const sending = conn.write(first).then(() => writeWhole(conn, SURPLUS)).catch(() => {});
  const buffer = new Uint8Array(65_536);
  let text = "";
  try {
    for (let count; (count = await conn.read(buffer)) !== null;) text += textOf(buffer.subarray(0, count));
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionReset);
  }
  await sending;
  conn.close();
  return text;
}

Deno.test("a backend's RST reaches the client as a RST", async () => {
  await using backend = await resettingBackend();
  const [event] = await serveQuietly(
    { listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }] },
    async ({ addr, program }) => {
      using client = await openClient(addr);
      await client.send(HELLO);
      assert.deepEqual(await client.readToEnd(), { bytes: new Uint8Array(), end: "reset" });
      await program.connectionEvent();
    },
  );
  assert.deepEqual([event!["reason"], event!["bytes_received"]], ["backend_reset", HELLO.length]);
});

/** Runs both ends of some connections, one after the other. @returns what `useClient` and `useBackend` gave, and the reasons */
async function eachRound<Client, Backend>(
  useClient: (conn: Deno.TcpConn) => Promise<Client>,
  useBackend: (conn: Deno.TcpConn) => Promise<Backend>,
): Promise<{ clients: Set<Client>; backends: Set<Backend>; reasons: Set<unknown> }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const routes = [{ hostname: "a.test", backend: `127.0.0.1:${listener.addr.port}` }];
  const clients = new Set<Client>();
  const backends = new Set<Backend>();
  const events = await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    const [hostname, port] = addr.split(":");
    for (let round = 0; round < ROUNDS; round++) {
      const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
      const [client, backend] = await Promise.all([useClient(conn), listener.accept().then(useBackend)]);
      clients.add(client);
      backends.add(backend);
    }
  });
  return { clients, backends, reasons: new Set(events.map(({ reason }) => reason)) };
}

Deno.test("what a backend has sent reaches the client, though the backend closes without having read all", async () => {
  const { clients, reasons } = await eachRound((conn) => talk(conn, HELLO), leave);
  assert.deepEqual([clients, reasons], [new Set(["last words"]), new Set(["backend_reset"])]);
});

Deno.test("what a client has sent reaches the backend, though the client closes without having read all", async () => {
  const greet = async (conn: Deno.TcpConn) => {
    await conn.write(HELLO);
    await leave(conn);
  };
  const { backends, reasons } = await eachRound(greet, (conn) => talk(conn, LAST));
  assert.deepEqual([backends, reasons], [new Set([`${textOf(HELLO)}last words`]), new Set(["client_reset"])]);
});
