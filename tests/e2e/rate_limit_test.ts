/**
 * Goal: new connections are granted by address, exactly, whichever worker they meet and whether or not one dies; who
 * is exempt or blocked costs nothing; a storm becomes a few lines of the log and exact counters.
 * Method: many declared clients at once; grants are counted by the clients, by the log and in the shared memory. What
 * the rate refills meanwhile is computed from the time that the clients measured.
 *
 * @module
 */

import assert from "node:assert/strict";
import { verdictCounter } from "../../src/observe/counters.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { signalProcess } from "../support/processes.ts";
import type { LogEvent } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { isConnection, serveQuietly } from "../support/quiet.ts";
import { attempt, attemptAll, count, type Fate, SERVER_NAME, versionOne, versionTwo } from "./declared.ts";
import { eventually } from "./eventually.ts";
import { SharedCounters } from "./shared_counters.ts";

const CLIENT = "192.0.2.1";
const OTHER = "192.0.2.2";

/** One load balancer's listener before an echo. */
function tables(backend: Backend, workers: number, firewall: Record<string, unknown>) {
  return {
    listeners: [{
      proxy_protocol: true,
      trusted_proxies: ["127.0.0.1"],
      routes: [{ hostname: SERVER_NAME, backend: backend.addr }],
    }],
    proxy: { workers },
    firewall,
  };
}

/** `attempts` headers of one client. */
function headers(client: string, attempts: number): Uint8Array[] {
  return Array.from({ length: attempts }, (_, index) => versionTwo(client, 1_000 + index));
}

/** Runs `work` and says how many seconds it took at most. */
async function timed<T>(work: () => Promise<T>): Promise<[T, seconds: number]> {
  const startedMs = performance.now();
  const result = await work();
  return [result, (performance.now() - startedMs) / 1_000];
}

/** Checks that a burst was granted, and not more than the rate has added since the first attempt. */
function checkGrants(granted: number, burst: number, ratePerSecond: number, seconds: number): void {
  const most = burst + Math.floor(ratePerSecond * seconds);
  assert.ok(granted >= burst && granted <= most, `${granted} of ${burst} to ${most} in ${seconds} s`);
}

/** How many workers told of connections: an id begins with its worker's. */
function workersOf(events: readonly LogEvent[]): number {
  return new Set(events.map(({ id }) => String(id).replace(/[^-]*$/, ""))).size;
}

const BURST = 150;
const ATTEMPTS = 400;

Deno.test("an address gets its burst exactly over one, two and four workers", async (t) => {
  await using backend = echoBackend();
  for (const workers of [1, 2, 4]) {
    await t.step(`${workers} workers`, async () => {
      let granted = 0;
      const config = tables(backend, workers, { rate_limit: 1, rate_burst: BURST });
      const events = await serveQuietly(config, async ({ addr, program }) => {
        assert.equal(program.workers().length, workers);
        const [fates, seconds] = await timed(() => attemptAll(addr, headers(CLIENT, ATTEMPTS)));
        granted = count(fates, "served");
        checkGrants(granted, BURST, 1, seconds);
        assert.equal(count(fates, "reset"), ATTEMPTS - granted);
        assert.equal(await attempt(addr, versionOne(OTHER)), "served", "another address");
        await eventually("all are gone", () => {
          const ended = new SharedCounters(program, workers).ended("client_eof", "rate_limited");
          return ended === ATTEMPTS + 1;
        });
        const counters = new SharedCounters(program, workers);
        assert.equal(counters.ended("rate_limited"), ATTEMPTS - granted);
        assert.equal(counters.counted(verdictCounter("rate_limit", "enforce")), ATTEMPTS - granted);
      });
      assert.equal(events.filter(({ reason }) => reason === "client_eof").length, granted + 1);
      assert.equal(workersOf(events), workers);
    });
  }
});

/** Kills the first worker and waits until its successor serves. */
async function replaceWorker({ program }: Proxy, signal: Deno.Signal = "SIGKILL"): Promise<void> {
  const from = program.events.length;
  signalProcess(program.workers()[0]!, signal);
  await program.event(({ event }) => event === "worker_replaced", 15_000, from);
}

Deno.test("a worker's death neither gives tokens back nor takes any", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy(tables(backend, 2, { rate_limit: 1, rate_burst: BURST }));
  const { addr } = proxy;
  const [granted, seconds] = await timed(async () => {
    const before = await attemptAll(addr, headers(CLIENT, 60));
    assert.equal(count(before, "served"), 60);
    await replaceWorker(proxy);
    return 60 + count(await attemptAll(addr, headers(CLIENT, ATTEMPTS)), "served");
  });
  checkGrants(granted, BURST, 1, seconds);
});

Deno.test("a worker that is killed while it grants loses no more than what it had in hand", async () => {
  await using backend = echoBackend();
  const [burst, atOnce] = [2_500, 32];
  await using proxy = await startProxy(tables(backend, 2, { rate_limit: 1, rate_burst: burst }));
  const { addr, program } = proxy;
  const fates: Fate[] = [];
  const [, seconds] = await timed(async () => {
    let isReplaced = false;
    const storm = Promise.all(Array.from({ length: atOnce }, async () => {
      while (!isReplaced) fates.push(await attempt(addr, versionTwo(CLIENT)));
    }));
    await program.connectionEvent();
    assert.ok(count(fates, "reset") === 0, "the burst was used up before the worker died");
    await replaceWorker(proxy);
    isReplaced = true;
    await storm;
    const inHand = count(fates, "closed") + count(fates, "reset");
    assert.ok(count(fates, "served") >= burst || inHand <= 2 * atOnce, `${inHand} in hand`);
    fates.push(...await attemptAll(addr, headers(CLIENT, burst + 100), atOnce));
  });
  // Those that the dead worker had in hand may have had a token or not.
  const granted = count(fates, "served");
  const [least, most] = [burst - 2 * atOnce, burst + Math.floor(seconds)];
  assert.ok(granted >= least && granted <= most, `${granted} of ${least} to ${most}`);
});

Deno.test("a bucket refills by the rate, no faster and no slower", async () => {
  await using backend = echoBackend();
  const [rate, burst] = [20, 30];
  await serveQuietly(tables(backend, 2, { rate_limit: rate, rate_burst: burst }), async ({ addr }) => {
    const startedMs = performance.now();
    let firstMs = 0;
    let lastMs = 0;
    let [granted, refused] = [0, 0];
    // Some were refused at `lastMs` or later, so what was there at that time had been granted by then.
    while (lastMs - startedMs < 2_500 || refused === 0) {
      lastMs = performance.now();
      const fates = await attemptAll(addr, headers(CLIENT, 16), 8);
      firstMs ||= performance.now();
      granted += count(fates, "served");
      refused = count(fates, "reset");
    }
    const least = burst + Math.floor(rate * (lastMs - firstMs) / 1_000);
    const most = burst + Math.floor(rate * (performance.now() - startedMs) / 1_000);
    assert.ok(granted >= least && granted <= most, `${granted} of ${least} to ${most}`);
  });
});

Deno.test("IPv6 is counted by /64 and by /48", async () => {
  await using backend = echoBackend();
  const [subnets, burst] = [25, 10];
  await serveQuietly(tables(backend, 2, { rate_limit: 1, rate_burst: burst }), async ({ addr }) => {
    const hosts = Array.from({ length: 30 }, (_, host) => versionTwo(`2001:db8:1:1::${host + 1}`));
    const [fates, seconds] = await timed(() => attemptAll(addr, hosts));
    checkGrants(count(fates, "served"), burst, 1, seconds);

    const site = Array.from(
      { length: subnets * burst },
      (_, index) => versionTwo(`2001:db8:2:${(index % subnets).toString(16)}::1`),
    );
    const [siteFates, siteSeconds] = await timed(() => attemptAll(addr, site));
    checkGrants(count(siteFates, "served"), 16 * burst, 16, siteSeconds);
    assert.equal(await attempt(addr, versionTwo("2001:db8:3::1")), "served", "another /48");
  });
});

Deno.test("who is allowed by address costs no token, and who is blocked takes none", async () => {
  await using backend = echoBackend();
  const burst = 5;
  const rules = [
    { type: "ip", value: "2001:db8::a", action: "allow" },
    { type: "cidr", value: "198.51.100.0/24", action: "allow" },
    { type: "ip", value: "2001:db8::b" },
  ];
  const config = tables(backend, 2, { rate_limit: 1, rate_burst: burst, rules });
  await serveQuietly(config, async ({ addr }) => {
    // a, b and c are of one /64, whose bucket c alone takes from.
    assert.equal(count(await attemptAll(addr, headers("2001:db8::b", 40)), "reset"), 40);
    assert.equal(count(await attemptAll(addr, headers("2001:db8::a", 40)), "served"), 40);
    assert.equal(count(await attemptAll(addr, headers("198.51.100.9", 40)), "served"), 40);
    const [fates, time] = await timed(() => attemptAll(addr, headers("2001:db8::c", 20)));
    checkGrants(count(fates, "served"), burst, 1, time);
  });
});

Deno.test("in shadow mode who is over the limit is counted and let in", async () => {
  await using backend = echoBackend();
  const [burst, workers, attempts] = [20, 2, 100];
  const config = tables(backend, workers, { rate_limit: 1, rate_burst: burst, limit_mode: "shadow" });
  const events = await serveQuietly(config, async ({ addr, program }) => {
    const [fates, seconds] = await timed(() => attemptAll(addr, headers(CLIENT, attempts)));
    assert.equal(count(fates, "served"), attempts);
    const counters = new SharedCounters(program, workers);
    checkGrants(attempts - counters.counted(verdictCounter("rate_limit", "shadow")), burst, 1, seconds);
    assert.equal(counters.counted(verdictCounter("rate_limit", "enforce")), 0);
  });
  assert.deepEqual(new Set(events.map(({ reason }) => reason)), new Set(["client_eof"]));
});

Deno.test("one load balancer with 1,000 clients behind it is never limited as one", async () => {
  await using backend = echoBackend();
  const config = tables(backend, 2, { rate_limit: 1, rate_burst: 1, max_connections_per_ip: 1 });
  const all = Array.from(
    { length: 1_000 },
    (_, index) =>
      index % 2 === 0
        ? versionOne(`10.9.${index >> 8}.${index & 255}`)
        : versionTwo(`2001:db8:${index.toString(16)}::1`),
  );
  const events = await serveQuietly(config, async ({ addr }) => {
    assert.equal(count(await attemptAll(addr, all, 64), "served"), 1_000);
  });
  assert.deepEqual(new Set(events.map(({ reason }) => reason)), new Set(["client_eof"]));
});

Deno.test("a storm of refused clients becomes few lines, which say how many they stand for", async () => {
  await using backend = echoBackend();
  const attempts = 1_500;
  const config = tables(backend, 2, {
    rate_limit: 1,
    rate_burst: 1,
    rules: [{ type: "ip", value: "192.0.2.66" }],
  });
  const told = (events: readonly LogEvent[], reason: string) => {
    const lines = events.filter((event) => isConnection(event) && event["reason"] === reason);
    return {
      lines: lines.length,
      sum: lines.reduce((sum, { unlogged }) => sum + 1 + Number(unlogged ?? 0), 0),
    };
  };
  await serveQuietly(config, async ({ addr, program }) => {
    const rows: [reason: "rate_limited" | "blocked_ip", client: string][] = [
      ["rate_limited", CLIENT],
      ["blocked_ip", "192.0.2.66"],
    ];
    for (const [reason, client] of rows) {
      const startedMs = Date.now();
      const fates: Fate[] = [...await attemptAll(addr, headers(client, attempts), 32)];
      const seconds = Math.floor(Date.now() / 1_000) - Math.floor(startedMs / 1_000) + 1;
      // What a worker has left out it says with its next line, at the earliest in the next second; a batch of events
      // leaves after 100 ms, and comes when it comes: so there is more and more time for it.
      const isTold = () => told(program.events, reason).sum === count(fates, "reset");
      for (let waitMs = 250; !isTold() && waitMs < 20_000; waitMs *= 2) {
        fates.push(...await attemptAll(addr, headers(client, 4)));
        await eventually("all told", isTold, waitMs).catch(() => {});
      }
      const refused = count(fates, "reset");
      const { lines, sum } = told(program.events, reason);
      assert.equal(sum, refused);
      assert.equal(new SharedCounters(program, 2).ended(reason), refused);
      assert.ok(lines <= (seconds + 3) * 20 * 2, `${lines} lines in ${seconds} seconds`);
      assert.ok(lines < refused / 3, `${lines} lines for ${refused}`);
    }
  });
});
