/**
 * Goal: a worker holds its own sockets and nothing that is main's; when it has no descriptor left it waits and doesn't
 * spin, and serves again as soon as there are some; a connection gives back every descriptor that it took.
 * Method: the kernel's list of descriptors of every process (/proc/PID/fd); RLIMIT_NOFILE lowered while the program
 * runs (prlimit(1)) or before it starts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { acceptErrorCounter, reasonCounter } from "../../src/observe/counters.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { limitDescriptors, lowestFree } from "../support/descriptor_limit.ts";
import { cpuTime, descriptors } from "../support/processes.ts";
import type { ProgramOptions } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { openClient, type RawClient } from "../support/raw_client.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { eventually, pause } from "./eventually.ts";
import { sharedMemoryOf, socketCount, unixSocketCount } from "./shared_counts.ts";

function start(backend: Backend, workers: number, options: ProgramOptions = {}): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers },
  }, options);
}

/** What every process of the runtime has for itself; run from source it also opens the runtime's caches. */
const RUNTIME = /^(anon_inode:\[(eventpoll|eventfd|pidfd)\]|\/dev\/null|.*_cache_v\d+(-wal|-shm|-journal)?)$/;
const SHARED = /^\/memfd:mc-proxy(-geoip)? \(deleted\)$/;

Deno.test("a worker holds nothing of main's but stdio and the two memory files", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, 2);
  const { program } = proxy;
  await using streams = await EchoStreams.open(proxy, 2);
  // What this test was itself given without close-on-exec, it hands on to everybody.
  const inherited = new Set(descriptors(Deno.pid).values());
  const main = new Set(descriptors(program.pid).values());
  const workers = program.workers();
  assert.ok([...main].some((target) => target.endsWith("/mc-proxy.db")), "main holds the database");
  assert.ok([...main].some((target) => target.endsWith("/mc-proxy.db.lock")), "main holds its lock");
  for (const pid of workers) {
    const held = descriptors(pid);
    const stdio = new Set([0, 1, 2].map((fd) => held.get(fd)));
    assert.equal(stdio.size, 3);
    const others = new Set(
      workers.filter((other) => other !== pid).flatMap((other) => [...descriptors(other).values()]),
    );
    const targets = [...held.values()].filter((target) => !inherited.has(target) || SHARED.test(target));
    assert.deepEqual(
      targets.filter((target) => SHARED.test(target)).toSorted(),
      [
        "/memfd:mc-proxy (deleted)",
        "/memfd:mc-proxy-geoip (deleted)",
      ].toSorted(),
    );
    const own = targets.filter((target) => !SHARED.test(target) && !RUNTIME.test(target));
    const foreign = own.filter((target) =>
      !(stdio.has(target) || /^(socket|pipe):/.test(target) && !main.has(target) && !others.has(target))
    );
    assert.deepEqual(foreign, []);
  }
  await streams.stop();
  await stopQuietly(proxy);
});

Deno.test("every descriptor comes back when connections have ended", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, 1);
  const [worker] = proxy.program.workers();
  {
    await using first = await EchoStreams.fill(proxy, 1);
    await first.stop();
  }
  // The event comes when the connection's sockets are closed: what is counted before counts them, too.
  await proxy.program.connectionEvent();
  const before = socketCount(worker!);
  for (let round = 0; round < 3; round++) {
    await using streams = await EchoStreams.fill(proxy, 30);
    assert.ok(socketCount(worker!) >= before + 60);
    await streams.stop();
  }
  await eventually("descriptors given back", () => socketCount(worker!) <= before);
  await stopQuietly(proxy);
});

Deno.test("a worker without descriptors waits without spinning, and serves when there are some again", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, 1);
  const { program, addr } = proxy;
  const [worker] = program.workers();
  const failures = () =>
    sharedMemoryOf(program.pid, 1).columns[0]!.counted(acceptErrorCounter("descriptors"));
  await using established = await EchoStreams.fill(proxy, 2);
  // The runtime makes its second pair of Unix sockets, for signals, a moment after the start, and panics when it can't.
  await eventually("the runtime's own sockets", () => unixSocketCount(worker!) >= 4);
  await limitDescriptors(worker!, lowestFree(worker!));
  const waiting: RawClient[] = await Promise.all(Array.from({ length: 40 }, () => openClient(addr)));
  try {
    await eventually("a failed accept", () => failures() > 0);
    const [failedBefore, cpuBefore] = [failures(), busySeconds(worker!)];
    await pause(2_000);
    // 5 ms doubling to 1 s: some eight tries in the first 2 s.
    assert.ok(failures() - failedBefore <= 15, `${failures() - failedBefore} failures`);
    const cpu = busySeconds(worker!) - cpuBefore;
    assert.ok(cpu < 0.7, `${cpu} CPU seconds of 2`);
    for (const stream of established.all) await stream.turns();
  } finally {
    for (const client of waiting) client[Symbol.dispose]();
  }
  await limitDescriptors(worker!, 4_096);
  await using stream = await EchoStream.open(proxy);
  await stream!.turns();
  await established.stop();
  await stream!.stop();
  assert.deepEqual(program.workers(), [worker]);
  program.signal("SIGTERM");
  assert.equal((await program.completed()).code, 0);
  const troubles = program.events.filter(({ level }) => level !== "info");
  assert.ok(troubles.length > 0 && troubles.length <= 15, `${troubles.length} lines`);
  for (const { event, detail } of troubles) {
    assert.deepEqual([event, /descriptors$/.test(`${detail}`)], ["accept_failed", true]);
  }
});

Deno.test("a worker takes no more connections than its descriptors allow, and as many again afterwards", async () => {
  await using backend = echoBackend();
  // (286 - 256) / 3
  await using proxy = await start(backend, 1, { descriptorsMax: 286 });
  for (let round = 0; round < 2; round++) {
    await using streams = await EchoStreams.fill(proxy, 20);
    assert.equal(streams.count, 10);
    await streams.stop();
    await eventually("no connection open", () => sharedMemoryOf(proxy.program.pid, 1).total(0) === 0);
  }
  const events = await stopQuietly(proxy);
  assert.equal(events.filter(({ reason }) => reason === "over_limit").length, 2);
});

Deno.test("connections that wait for a PROXY header are as few as the descriptors allow", async () => {
  await using backend = echoBackend();
  const table = { routes: routes({ [SERVER_NAME]: backend.addr }) };
  const trusting = { ...table, proxy_protocol: true, trusted_proxies: ["127.0.0.1"] };
  // (286 - 256) / 3
  await using proxy = await startProxy({ listeners: [table, trusting], proxy: { workers: 1 } }, {
    descriptorsMax: 286,
  });
  const { program, addrs } = proxy;
  const counters = () => sharedMemoryOf(program.pid, 1).columns[0]!;
  const refused = () => counters().counted(reasonCounter(1, "over_limit"));
  const silent = await Promise.all(Array.from({ length: 40 }, () => connect(addrs[1]!)));
  try {
    await eventually("all but ten refused", () => refused() === 30);
    assert.equal(counters().counted(acceptErrorCounter("descriptors")), 0);
    assert.equal(await EchoStream.open(proxy), undefined, "the other listener refuses, too");
  } finally {
    for (const client of silent) client?.close();
  }
  await eventually("ten ended", () => counters().counted(reasonCounter(1, "proxy_header_invalid")) === 10);
  await using streams = await EchoStreams.fill(proxy, 20);
  assert.equal(streams.count, 10);
  await streams.stop();
  await stopQuietly(proxy);
});

/** Connects; the RST of a refusal may be here before the client has looked. */
async function connect(addr: string): Promise<Deno.TcpConn | undefined> {
  const { hostname, port } = new URL(`tcp://${addr}`);
  try {
    return await Deno.connect({ hostname, port: Number(port) });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return undefined;
    throw error;
  }
}

function busySeconds(pid: number): number {
  const { userSeconds, systemSeconds } = cpuTime(pid);
  return userSeconds + systemSeconds;
}
