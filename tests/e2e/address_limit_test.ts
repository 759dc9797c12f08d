/**
 * Goal: an address has at most so many connections open, exactly, over all workers; every slot comes back when its
 * connection ends, also when its worker dies.
 * Method: many declared clients come at once and stay; some leave, workers are killed, and as many more come in.
 *
 * @module
 */

import assert from "node:assert/strict";
import { verdictCounter } from "../../src/observe/counters.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { signalProcess } from "../support/processes.ts";
import type { Program } from "../support/program.ts";
import { type Proxy, type ProxyTables, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { come, SERVER_NAME, versionOne, versionTwo } from "./declared.ts";
import { eventually } from "./eventually.ts";
import { SharedCounters } from "./shared_counters.ts";

const LIMIT = 10;
const CROWD = 40;
const CLIENT = "192.0.2.1";
/** What a served connection holds: of all, of its listener, of its address, of its route. */
const SLOTS_EACH = 4;

function tables(backend: Backend, workers: number, firewall: Record<string, unknown> = {}): ProxyTables {
  return {
    listeners: [{
      proxy_protocol: true,
      trusted_proxies: ["127.0.0.1"],
      routes: [{ hostname: SERVER_NAME, backend: backend.addr }],
    }],
    proxy: { workers },
    firewall: { max_connections_per_ip: LIMIT, ...firewall },
  };
}

/** Connections that are open, closed on disposal. */
class Crowd implements Disposable {
  readonly #open: Deno.TcpConn[] = [];

  /** Lets clients come at once. @returns how many were served; they stay */
  async come({ addr }: Proxy, headers: readonly Uint8Array[]): Promise<number> {
    const came = await Promise.all(headers.map((header) => come(addr, header)));
    assert.ok(came.every(({ fate }) => fate !== "closed"));
    const served = came.flatMap(({ socket }) => socket ?? []);
    this.#open.push(...served);
    return served.length;
  }

  /** Lets `count` of them end; returns when the proxy has no more than the rest and `others` open. */
  async leave({ program }: Proxy, workers: number, count = this.#open.length, others = 0): Promise<void> {
    for (const socket of this.#open.splice(0, count)) socket.close();
    await settled(program, workers, this.#open.length + others);
  }

  /** Those whose worker has died see their end; the others stay. @returns how many died */
  async mourn(): Promise<number> {
    const isDead = await Promise.all(this.#open.map(async (socket) => {
      await socket.write(Uint8Array.of(1)).catch(() => {});
      return await socket.read(new Uint8Array(1)).catch(() => null) === null;
    }));
    const dead = this.#open.filter((_, index) => isDead[index]);
    const living = this.#open.filter((_, index) => !isDead[index]);
    for (const socket of dead) socket.close();
    this.#open.splice(0, this.#open.length, ...living);
    return dead.length;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.close();
  }
}

/** Waits until as many connections are open and none but they holds a slot: a worker gives back one after the other. */
async function settled(program: Program, workers: number, open: number): Promise<void> {
  const look = () => new SharedCounters(program, workers);
  await eventually(
    `${open} open and their slots`,
    () => look().open === open && look().held === open * SLOTS_EACH,
  ).catch(() => assert.deepEqual([look().open, look().held], [open, open * SLOTS_EACH]));
}

function headers(client: string, count = CROWD): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => versionTwo(client, 1_000 + index));
}

Deno.test("an address has its limit open exactly over one, two and four workers", async (t) => {
  await using backend = echoBackend();
  for (const workers of [1, 2, 4]) {
    await t.step(`${workers} workers`, async () => {
      await using proxy = await startProxy(tables(backend, workers));
      using crowd = new Crowd();
      using others = new Crowd();
      assert.equal(await crowd.come(proxy, headers(CLIENT)), LIMIT);
      assert.equal(await others.come(proxy, headers("192.0.2.2", LIMIT)), LIMIT, "another address");
      assert.equal(await crowd.come(proxy, headers(CLIENT)), 0);
      await others.leave(proxy, workers, LIMIT, LIMIT);
      await crowd.leave(proxy, workers, 4);
      assert.equal(await crowd.come(proxy, headers(CLIENT)), 4);
      await crowd.leave(proxy, workers);
      assert.equal(await crowd.come(proxy, headers(CLIENT)), LIMIT);
      await crowd.leave(proxy, workers);

      const refused = CROWD - LIMIT + CROWD + CROWD - 4 + CROWD - LIMIT;
      const ended = () => new SharedCounters(proxy.program, workers).ended("over_limit", "client_eof");
      await eventually("every end counted", () => ended() === 4 * CROWD + LIMIT);
      const counters = new SharedCounters(proxy.program, workers);
      assert.equal(counters.ended("over_limit"), refused);
      assert.equal(counters.counted(verdictCounter("connections", "enforce")), refused);
      const events = await stopQuietly(proxy);
      const told = events.filter(({ reason }) => reason === "over_limit");
      assert.ok(told.every(({ bytes_sent }) => bytes_sent === 0));
    });
  }
});

Deno.test("IPv6 has its limit by /64, IPv4 by address in whatever form", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy(tables(backend, 2));
  using crowd = new Crowd();
  const hosts = Array.from({ length: CROWD }, (_, host) => versionTwo(`2001:db8:0:1::${host.toString(16)}`));
  assert.equal(await crowd.come(proxy, hosts), LIMIT);
  assert.equal(await crowd.come(proxy, [versionTwo("2001:db8:0:2::1")]), 1, "another /64");
  const mixed = Array.from(
    { length: CROWD },
    (_, index) => index % 2 === 0 ? versionOne(CLIENT) : versionTwo(`::ffff:${CLIENT}`),
  );
  assert.equal(await crowd.come(proxy, mixed), LIMIT);
  await crowd.leave(proxy, 2);
});

Deno.test("slots of a worker that dies come back, and those of the others stay", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy(tables(backend, 2));
  const { program } = proxy;
  using crowd = new Crowd();
  assert.equal(await crowd.come(proxy, headers(CLIENT)), LIMIT);
  for (let death = 0; death < 3; death++) {
    const from = program.events.length;
    signalProcess(program.workers()[0]!, "SIGKILL");
    await program.event(({ event }) => event === "worker_replaced", 15_000, from);
    const dead = await crowd.mourn();
    // Those who were refused may hold a slot in all for a moment after their RST.
    await settled(program, 2, LIMIT - dead);
    assert.equal(await crowd.come(proxy, headers(CLIENT)), dead);
  }
  await crowd.leave(proxy, 2);
});

Deno.test("a worker that dies amid a crowd leaves every slot right", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy(tables(backend, 2));
  const { addr, program } = proxy;
  const from = program.events.length;
  let isReplaced = false;
  const storm = Promise.all(Array.from({ length: 32 }, async (_, index) => {
    while (!isReplaced) (await come(addr, versionTwo(`192.0.2.${index % 3}`))).socket?.close();
  }));
  await program.connectionEvent();
  signalProcess(program.workers()[0]!, "SIGKILL");
  await program.event(({ event }) => event === "worker_replaced", 15_000, from);
  isReplaced = true;
  await storm;
  await settled(program, 2, 0);
  using crowd = new Crowd();
  assert.equal(await crowd.come(proxy, headers("192.0.2.1")), LIMIT);
});

Deno.test("in shadow mode who is over the limit of an address is counted and let in", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy(tables(backend, 2, { limit_mode: "shadow" }));
  using crowd = new Crowd();
  assert.equal(await crowd.come(proxy, headers(CLIENT)), CROWD);
  const counters = new SharedCounters(proxy.program, 2);
  assert.equal(counters.counted(verdictCounter("connections", "shadow")), CROWD - LIMIT);
  assert.equal(counters.counted(verdictCounter("connections", "enforce")), 0);
  await crowd.leave(proxy, 2);
});
