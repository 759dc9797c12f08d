/**
 * Goal: the idle limits end a silent connection and no other; the limits of open connections hold exactly over all
 * workers, and every slot comes back.
 * Method: short idle limits on three routes; more clients at once than a limit allows, on one, two and four workers,
 * then some leave and as many more come in.
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoBackend } from "../support/backends.ts";
import { clientHello, latin1 } from "../support/client_hello.ts";
import type { LogEvent } from "../support/program.ts";
import type { Proxy } from "../support/proxy.ts";
import { serveQuietly } from "../support/quiet.ts";
import { openClient, type RawClient } from "../support/raw_client.ts";

const NOTHING = new Uint8Array(0);
const IDLE_MS = 500;
const ROUTE_IDLE_MS = 1_200;
/** On a machine under load a timer may come this late. */
const LATE_MS = 3_000;

/** Sends the hello of a name and waits until the echo has brought it back: the connection is served. */
async function openServed(addr: string, serverName: string): Promise<RawClient> {
  const client = await openClient(addr);
  const hello = clientHello({ serverName });
  await client.send(hello);
  assert.deepEqual(await client.readBytes(hello.length), hello);
  return client;
}

Deno.test("a silent connection is closed at the idle limit of its route or of all", async (t) => {
  await using backend = echoBackend();
  const tables = {
    listeners: [{
      routes: [
        { hostname: "global.test", backend: backend.addr },
        { hostname: "own.test", backend: backend.addr, idle_timeout: `${ROUTE_IDLE_MS}ms` },
        { hostname: "off.test", backend: backend.addr, idle_timeout: "0s" },
      ],
    }],
    // Over when the hello is whole, also where no idle limit takes its place.
    proxy: { idle_timeout: `${IDLE_MS}ms`, client_hello_timeout: "1s" },
  };
  await serveQuietly(tables, async ({ addr, program }) => {
    // Open before the others and used after them: by then every limit of the file has passed.
    using off = await openServed(addr, "off.test");
    for (const [serverName, limitMs] of [["global.test", IDLE_MS], ["own.test", ROUTE_IDLE_MS]] as const) {
      await t.step(`${serverName} after ${limitMs} ms`, async () => {
        using client = await openServed(addr, serverName);
        const startedMs = performance.now();
        assert.deepEqual(await client.readToEnd(), { bytes: NOTHING, end: "fin" });
        const tookMs = performance.now() - startedMs;
        assert.ok(tookMs > limitMs - 50 && tookMs < limitMs + LATE_MS, `${tookMs} ms`);
        assert.equal((await program.connectionEvent({ sni: serverName }))["reason"], "idle");
        assert.equal(await backend.connections.at(-1)!.ended, "fin");
      });
    }
    await t.step("each byte begins the time anew", async () => {
      const from = program.events.length;
      using client = await openServed(addr, "global.test");
      const startedMs = performance.now();
      while (performance.now() - startedMs < IDLE_MS * 2.5) {
        await client.send(latin1("."));
        assert.deepEqual(await client.readBytes(1), latin1("."));
        await new Promise((resolve) => setTimeout(resolve, IDLE_MS / 5));
      }
      await client.finish();
      await client.readToEnd();
      assert.equal(
        (await program.connectionEvent({ sni: "global.test" }, 10_000, from))["reason"],
        "client_eof",
      );
    });
    await t.step("0 is off", async () => {
      await off.send(latin1("still here"));
      assert.deepEqual(await off.readBytes(10), latin1("still here"));
      await off.finish();
      await off.readToEnd();
      assert.equal((await program.connectionEvent({ sni: "off.test" }))["reason"], "client_eof");
    });
  });
});

/** How many clients come at once. */
const CROWD = 40;
const MAX = 12;
const LEAVING = 5;

/** A client that came: served, or told nothing but a RST. */
async function come(addr: string, serverName: string): Promise<RawClient | "reset"> {
  const client = await openClient(addr).catch((error: NodeJS.ErrnoException) => {
    // The RST may come before the client has looked whether it is connected.
    assert.equal(error.code, "ECONNRESET");
    return undefined;
  });
  if (client === undefined) return "reset";
  const hello = clientHello({ serverName });
  try {
    await client.send(hello);
    await client.readBytes(hello.length);
    return client;
  } catch {
    const { bytes, end } = await client.readToEnd();
    client[Symbol.dispose]();
    assert.deepEqual({ bytes, end }, { bytes: NOTHING, end: "reset" });
    return "reset";
  }
}

/** Lets a crowd come at once; returns those that were served. */
async function crowd(addr: string, serverName: string): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: CROWD }, () => come(addr, serverName)));
  return clients.filter((client) => client !== "reset");
}

/** Lets clients end in order; returns when their slots are free again. */
async function leave(clients: readonly RawClient[], { program }: Proxy): Promise<void> {
  await Promise.all(clients.map(async (client) => {
    const { localAddr } = client;
    await client.finish();
    await client.readToEnd();
    client[Symbol.dispose]();
    await program.connectionEvent({ client: localAddr, reason: "client_eof" });
  }));
}

/** How many workers the connections were spread over: a connection's id begins with its worker's. */
function workersOf(events: readonly LogEvent[]): number {
  return new Set(events.map(({ id }) => String(id).replace(/[^-]*$/, ""))).size;
}

const LIMITS = [
  { name: "in all", listener: 0, tables: { proxy: { max_connections: MAX } } },
  { name: "of a listener", listener: 1, tables: {} },
  { name: "of a route", listener: 2, tables: {} },
];

Deno.test("a limit of open connections holds exactly over one, two and four workers, and slots come back", async (t) => {
  await using backend = echoBackend();
  const route = { hostname: "a.test", backend: backend.addr };
  const listeners = [
    { routes: [route] },
    { routes: [route], max_connections: MAX },
    { routes: [{ ...route, max_connections: MAX }, { ...route, hostname: "b.test" }] },
  ];
  const cases = LIMITS.flatMap((limit) => [1, 2, 4].map((workers) => ({ ...limit, workers })));
  for (const { name, listener, tables, workers } of cases) {
    await t.step(`${name}, ${workers} workers`, async () => {
      const { proxy = {} } = tables;
      const events = await serveQuietly(
        { ...{ listeners }, proxy: { workers, ...proxy } },
        async (proxy) => {
          const addr = proxy.addrs[listener]!;
          assert.equal(proxy.program.workers().length, workers);
          const first = await crowd(addr, "a.test");
          assert.equal(first.length, MAX);
          await leave(first.splice(0, LEAVING), proxy);
          const second = await crowd(addr, "a.test");
          assert.equal(second.length, LEAVING);
          if (listener > 0) {
            // What is full is that listener or route alone.
            const other = await openServed(
              proxy.addrs[listener === 1 ? 0 : 2]!,
              listener === 1 ? "a.test" : "b.test",
            );
            await leave([other], proxy);
          }
          await leave([...first, ...second], proxy);
          const third = await crowd(addr, "a.test");
          assert.equal(third.length, MAX);
          await leave(third, proxy);
        },
      );
      assert.equal(workersOf(events), workers);
      // Each client has told what became of it; the log samples refusals and tells how many it left out.
      const refused = CROWD - MAX + CROWD - LEAVING + CROWD - MAX;
      const over = events.filter(({ reason }) => reason === "over_limit");
      const unlogged = over.reduce((sum, event) => sum + Number(event["unlogged"] ?? 0), 0);
      assert.ok(over.length > 0 && over.length + unlogged <= refused, `${over.length} and ${unlogged}`);
      assert.deepEqual(new Set(over.map(({ bytes_sent }) => bytes_sent)), new Set([0]));
      const others = events.filter(({ reason }) => reason !== "over_limit");
      assert.equal(others.length, MAX + LEAVING + MAX + (listener > 0 ? 1 : 0));
      assert.deepEqual(new Set(others.map(({ reason }) => reason)), new Set(["client_eof"]));
    });
  }
});
