import assert from "node:assert/strict";
import net from "node:net";
import { acceptErrorCounter, reasonCounter } from "../../src/observe/counters.ts";
import { BoundListener } from "../../src/proxy/listener.ts";
import type { Listener } from "../../src/state/model.ts";
import { clientHello } from "../support/client_hello.ts";
import { freePort } from "../support/ports.ts";
import { exchange, openClient } from "../support/raw_client.ts";
import { LISTENER_SLOT, LivePlane } from "./live_plane.ts";

function listenerAt(host: string, port: number): Listener {
  return {
    id: 1,
    address: { host, port },
    maxConnections: 9,
    proxyProtocol: false,
    trustedProxies: [],
    routes: [],
  };
}

/** Connects and resets at once, before anybody has accepted. */
function connectAndReset(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    socket.on("connect", () => socket.resetAndDestroy());
    socket.on("error", () => {});
    socket.on("close", () => resolve());
  });
}

Deno.test("BoundListener binds with others of its kind and with nobody else", () => {
  const port = freePort();
  const first = new BoundListener(listenerAt("127.0.0.1", port), 3);
  const second = new BoundListener(listenerAt("127.0.0.1", port), 3);
  const { id, name, slot, host, maxConnections } = first;
  assert.deepEqual({ id, name, slot, host, port: first.port, maxConnections }, {
    id: 1,
    name: `127.0.0.1:${port}`,
    slot: 3,
    host: "127.0.0.1",
    port,
    maxConnections: 9,
  });
  assert.throws(() => Deno.listen({ hostname: "127.0.0.1", port }), Deno.errors.AddrInUse);
  first.close();
  second.close();
  using _taken = Deno.listen({ hostname: "127.0.0.1", port });
  assert.throws(() => new BoundListener(listenerAt("127.0.0.1", port), 3), Deno.errors.AddrInUse);
  const six = new BoundListener(listenerAt("::1", 0), 0);
  assert.deepEqual([six.name, six.port > 0], ["[::1]:0", true]);
  six.close();
});

Deno.test("BoundListener.accept() goes on after clients that reset while they waited", async () => {
  await using plane = new LivePlane();
  const late = new BoundListener(listenerAt("127.0.0.1", 0), LISTENER_SLOT);
  await Promise.all(Array.from({ length: 50 }, () => connectAndReset(late.port)));
  const accepting = late.accept(plane);
  const answer = await exchange(`127.0.0.1:${late.port}`, clientHello({ serverName: "a.test" }));
  assert.equal(answer.bytes.length, 7, "an alert");
  const aborted = plane.column.counted(acceptErrorCounter("aborted"));
  assert.ok(aborted > 0, "else this test has to be another");
  assert.deepEqual(plane.faults, [], "one bad client is nothing to report");
  late.close();
  await accepting;
  await plane.connections.whenEmpty(5_000);
  const told = plane.column.counted(reasonCounter(LISTENER_SLOT, "client_reset"));
  assert.ok(told + aborted <= 50);
});

Deno.test("BoundListener.close() ends accept() and may be called again", async () => {
  await using plane = new LivePlane();
  const listener = new BoundListener(listenerAt("127.0.0.1", 0), LISTENER_SLOT);
  const accepting = listener.accept(plane);
  listener.close();
  listener.close();
  await accepting;
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: listener.port }));
  assert.deepEqual(plane.faults, []);
});

Deno.test("BoundListener.quiet() waits until all who wait are accepted", async () => {
  await using plane = new LivePlane();
  const listener = new BoundListener({ ...listenerAt("127.0.0.1", 0), maxConnections: 0 }, LISTENER_SLOT);
  const addr = `127.0.0.1:${listener.port}`;
  const waiting = await Promise.all(Array.from({ length: 200 }, () => openClient(addr)));
  const accepting = listener.accept(plane);
  await listener.quiet();
  listener.close();
  await accepting;
  // Who was still in the queue has been reset.
  for (const client of waiting) {
    await client.send(clientHello({ serverName: "a.test" })).catch(() => {});
    assert.equal((await client.readToEnd()).end, "fin");
    client[Symbol.dispose]();
  }
});

Deno.test("BoundListener.quiet() doesn't wait for ever where somebody always comes", async () => {
  await using plane = new LivePlane();
  const listener = new BoundListener({ ...listenerAt("127.0.0.1", 0), maxConnections: 0 }, LISTENER_SLOT);
  const addr = `127.0.0.1:${listener.port}`;
  const accepting = listener.accept(plane);
  let isQuiet = false;
  const crowd = async (): Promise<void> => {
    while (!isQuiet) await exchange(addr, new Uint8Array(1)).catch(() => {});
  };
  const crowds = Array.from({ length: 4 }, crowd);
  await listener.quiet();
  isQuiet = true;
  await Promise.all(crowds);
  listener.close();
  await accepting;
});
