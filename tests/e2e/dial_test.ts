/**
 * Goal: a backend that can't be reached, is slow to answer or is the proxy itself gives the client a clear end and
 * costs nothing more; one that comes up later is served.
 * Method: routes to a closed port, to a listener whose queue is full and to the proxy's own addresses by every name;
 * alert or RST is compared byte for byte, the event gives the reason.
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoBackend, unreachableBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { freePort, freePorts } from "../support/ports.ts";
import type { Proxy } from "../support/proxy.ts";
import { serveQuietly } from "../support/quiet.ts";
import { exchange, openClient } from "../support/raw_client.ts";

/** Alert 80, internal_error, fatal. */
const INTERNAL_ERROR = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 80);
const NOTHING = new Uint8Array(0);
/** Shorter than a dial may take: it is over when the hello is whole. */
const HELLO_MS = 500;
const CONNECT_MS = 1_000;
const DIAL_MS = 1_500;
const LATE_MS = 4_000;

/** Sends a hello for `serverName` and checks what comes back and how the event of that name ends. */
async function check(
  { addr, program }: Proxy,
  serverName: string,
  wanted: { readonly bytes: Uint8Array; readonly end: string; readonly reason: string },
): Promise<Readonly<Record<string, unknown>>> {
  const from = program.events.length;
  const { bytes, end } = await exchange(addr, clientHello({ serverName }));
  const event = await program.connectionEvent({ sni: serverName }, 10_000, from);
  assert.deepEqual({ bytes, end, reason: event["reason"] }, wanted);
  return event;
}

Deno.test("a backend that can't be reached gives alert 80, and service when it is there", async (t) => {
  await using hanging = await unreachableBackend();
  await using echo = echoBackend();
  const laterPort = freePort();
  const tables = {
    listeners: [{
      routes: [
        { hostname: "down.test", backend: "127.0.0.1:1" },
        { hostname: "no-such-name.test", backend: "no-such-name.invalid:443" },
        { hostname: "hanging.test", backend: hanging.addr },
        { hostname: "hanging-name.test", backend: `localhost:${hanging.port}` },
        { hostname: "named.test", backend: `localhost:${echo.port}` },
        { hostname: "later.test", backend: `127.0.0.1:${laterPort}` },
      ],
    }],
    proxy: {
      client_hello_timeout: `${HELLO_MS}ms`,
      connect_timeout: `${CONNECT_MS}ms`,
      dial_timeout: `${DIAL_MS}ms`,
    },
  };
  const refused = { bytes: INTERNAL_ERROR, end: "fin" };
  await serveQuietly(tables, async (proxy) => {
    await t.step("a closed port", async () => {
      const event = await check(proxy, "down.test", { ...refused, reason: "dial_failed" });
      assert.equal(event["backend"], "127.0.0.1:1");
      assert.equal(event["route"], "down.test");
      assert.equal(event["bytes_sent"], INTERNAL_ERROR.length);
    });
    await t.step("a name that doesn't resolve", async () => {
      const { bytes } = await exchange(proxy.addr, clientHello({ serverName: "no-such-name.test" }));
      assert.deepEqual(bytes, INTERNAL_ERROR);
      const { reason } = await proxy.program.connectionEvent({ sni: "no-such-name.test" });
      // Some resolvers take longer than the limit to say no.
      assert.ok(reason === "dial_failed" || reason === "dial_timeout", String(reason));
    });
    await t.step("a queue that is full, after the limit of one try", async () => {
      const event = await check(proxy, "hanging.test", { ...refused, reason: "dial_timeout" });
      const dialMs = Number(event["dial_ms"]);
      assert.ok(dialMs >= CONNECT_MS - 5 && dialMs < CONNECT_MS + LATE_MS, `${dialMs} ms`);
    });
    await t.step("a name whose address has a full queue, after the limit of all tries", async () => {
      const event = await check(proxy, "hanging-name.test", { ...refused, reason: "dial_timeout" });
      const dialMs = Number(event["dial_ms"]);
      assert.ok(dialMs >= CONNECT_MS - 5 && dialMs < DIAL_MS + LATE_MS, `${dialMs} ms`);
    });
    await t.step("a DNS name", async () => {
      const hello = clientHello({ serverName: "named.test" });
      assert.deepEqual(await exchange(proxy.addr, hello, true), { bytes: hello, end: "fin" });
    });
    await t.step("a backend that comes up later", async () => {
      await check(proxy, "later.test", { ...refused, reason: "dial_failed" });
      using listener = Deno.listen({ hostname: "127.0.0.1", port: laterPort });
      using client = await openClient(proxy.addr);
      await client.send(clientHello({ serverName: "later.test" }));
      using connection = await listener.accept();
      assert.ok(await connection.read(new Uint8Array(1_024)));
    });
  });
});

interface Loop {
  readonly name: string;
  /** Where the listener listens. */
  readonly host: string;
  /** What the route names; the port is the listener's. */
  readonly backend: string;
}

/** An address of this machine that other machines see; absent where there is none. */
const OUTER = Deno.networkInterfaces().find(({ family, address }) =>
  family === "IPv4" && !address.startsWith("127.")
)?.address;

const LOOPS: readonly Loop[] = [
  { name: "by the listener's own address", host: "127.0.0.1", backend: "127.0.0.1" },
  { name: "by a DNS name", host: "127.0.0.1", backend: "localhost" },
  { name: "by a mapped address", host: "127.0.0.1", backend: "[::ffff:127.0.0.1]" },
  { name: "by the loopback address of a wildcard listener", host: "0.0.0.0", backend: "127.0.0.1" },
  { name: "by any loopback address of a wildcard listener", host: "0.0.0.0", backend: "127.9.8.7" },
  { name: "by a DNS name of a wildcard listener", host: "0.0.0.0", backend: "localhost" },
  { name: "by 0.0.0.0 of a wildcard listener", host: "0.0.0.0", backend: "0.0.0.0" },
  ...OUTER === undefined ? [] : [{ name: "by an outer address", host: "0.0.0.0", backend: OUTER }],
  { name: "by IPv6", host: "[::1]", backend: "[::1]" },
  { name: "by IPv6 of a wildcard listener", host: "[::]", backend: "[::1]" },
  { name: "by IPv4 of an IPv6 wildcard listener", host: "[::]", backend: "127.0.0.1" },
];

Deno.test("a backend that is the proxy itself gives a RST, whatever it is called", async (t) => {
  const ports = freePorts(LOOPS.length);
  const listeners = LOOPS.map(({ host, backend }, index) => ({
    addr: `${host}:${ports[index]}`,
    routes: [{ hostname: `loop${index}.test`, backend: `${backend}:${ports[index]}` }],
  }));
  const events = await serveQuietly({ listeners }, async ({ program }) => {
    for (const [index, { name, host }] of LOOPS.entries()) {
      await t.step(name, async () => {
        const serverName = `loop${index}.test`;
        const to = host.startsWith("[") ? "[::1]" : "127.0.0.1";
        const answer = await exchange(`${to}:${ports[index]}`, clientHello({ serverName }));
        assert.deepEqual(answer, { bytes: NOTHING, end: "reset" });
        assert.equal((await program.connectionEvent({ sni: serverName }))["reason"], "loop");
      });
    }
  });
  const loops = events.filter(({ reason }) => reason === "loop");
  assert.equal(loops.length, LOOPS.length);
  // The dial that finds the loop out is a connection of its own, and no more than one.
  assert.ok(events.length <= 2 * loops.length, `${events.length} events`);
});
