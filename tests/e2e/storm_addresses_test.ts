/**
 * Goal: a storm, from one address or from ever new ones, costs the proxy no memory that stays and no
 * honest client its connection.
 * Method: a process of its own makes the storm, in declared addresses; meanwhile an honest client comes from elsewhere
 * every 50 ms. Memory is that of main and all workers, before and after. One address storms for 10 s; with
 * `MC_PROXY_TEST_FULL` for a minute and 10,000 attempts at least, and the /64s are a million.
 *
 * @module
 */

import assert from "node:assert/strict";
import { COUNTER } from "../../src/observe/counters.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { type Proxy, type ProxyTables, startProxy } from "../support/proxy.ts";
import { attempt, count, SERVER_NAME, versionTwo } from "./declared.ts";
import { eventually } from "./eventually.ts";
import { besides } from "./honest_clients.ts";
import { SharedCounters } from "./shared_counters.ts";
import { storm, type StormKind } from "./storm.ts";

const IS_FULL = Deno.env.has("MC_PROXY_TEST_FULL");
const AT_ONCE = 32;
const WORKERS = 2;
/** The same for a short storm and for one of a million: what a heap may happen to keep, and the tables' own pages. */
const GROWTH_KIB_MAX = 48 * 1_024;

function tables(backend: Backend, firewall: Record<string, unknown>): ProxyTables {
  return {
    listeners: [{
      proxy_protocol: true,
      trusted_proxies: ["127.0.0.1"],
      routes: [{ hostname: SERVER_NAME, backend: backend.addr }],
    }],
    proxy: { workers: WORKERS },
    firewall,
  };
}

/** Warms the proxy up with a quarter of the storm, until its heaps have grown, then lets it blow. */
async function weather({ addr, program }: Proxy, kind: StormKind, clients: number, seconds = 0) {
  await storm({ addr, kind, count: clients / 4, atOnce: AT_ONCE, seconds: seconds / 4 });
  const before = program.anonymousKib();
  const [result, honest] = await besides(
    storm({ addr, kind, count: clients, atOnce: AT_ONCE, seconds }),
    (index) => attempt(addr, versionTwo("198.51.100.1", 1 + index % 60_000)),
  );
  const growth = program.anonymousKib() - before;
  assert.equal(count(honest, "served"), honest.length, `${honest}`);
  assert.ok(growth < GROWTH_KIB_MAX, `${growth} KiB more after the storm`);
  assert.equal(program.workers().length, WORKERS);
  assert.deepEqual(program.events.filter(({ level }) => level !== "info"), []);
  return result;
}

Deno.test("a storm from one address is shed, and others are served", async () => {
  await using backend = echoBackend();
  const [rate, burst] = [50, 100];
  await using proxy = await startProxy(tables(backend, { rate_limit: rate, rate_burst: burst }));
  const startedMs = performance.now();
  const result = await weather(proxy, "one", IS_FULL ? 10_000 : 4_000, IS_FULL ? 60 : 10);
  const most = burst + rate * (performance.now() - startedMs) / 1_000;
  assert.equal(result.closed, 0);
  assert.ok(result.served <= most, `${result.served} served of at most ${most}`);
  assert.ok(result.reset > result.served, `${result.reset} refused`);
  // A client sees its end before its worker has counted it, here and below.
  const refused = () => new SharedCounters(proxy.program, WORKERS).ended("rate_limited");
  await eventually("every refusal counted", () => refused() >= result.reset);
});

Deno.test("a storm from ever new /64s costs no memory and no honest client its connection", async () => {
  await using backend = echoBackend();
  const limits = { rate_limit: 25, rate_burst: 50, max_connections_per_ip: 50 };
  await using proxy = await startProxy(tables(backend, limits));
  const clients = IS_FULL ? 1_000_000 : 50_000;
  const result = await weather(proxy, "spoofed", clients);
  assert.ok(result.closed >= clients, `${result.closed} came and went`);
  assert.equal(result.reset, 0);
  const counters = () => new SharedCounters(proxy.program, WORKERS);
  assert.equal(counters().counted(COUNTER.eventsDropped), 0);
  await eventually("every slot given back", () => counters().held === 0);
});
