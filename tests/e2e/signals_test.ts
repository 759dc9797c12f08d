/**
 * Goal: a second signal ends a drain at once, one Ctrl-C that arrives twice is one, a terminal's Ctrl-C doesn't reach
 * the workers, and when the main process is killed the workers finish what they carry and leave nothing behind.
 * Method: streams through both workers, signals as init systems, terminals and the kernel's OOM killer send them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Backend, echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { routes } from "../support/config.ts";
import { childrenOf, cpuTime, gone, isAlive } from "../support/processes.ts";
import { programCommand } from "../support/program_command.ts";
import type { ProgramOptions } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { openClient, type RawClient } from "../support/raw_client.ts";
import { EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { eventually, pause } from "./eventually.ts";
import { startWithOrders } from "./fault_orders.ts";

/** Within this time of the first a signal is the same wish. */
const SAME_MS = 1_000;
/** script(1) gives its child a terminal, whose line discipline makes the signal of a byte 3. */
const IN_TERMINAL = 'exec script -qefc "exec $*" /dev/null <"$0"';
const HELLO = clientHello({ serverName: SERVER_NAME });

function start(backend: Backend, options: ProgramOptions = {}, shutdownTimeout = "30s"): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers: 2, shutdown_timeout: shutdownTimeout },
  }, options);
}

async function isRefused(addr: string): Promise<boolean> {
  try {
    using _client = await openClient(addr);
    return false;
  } catch {
    return true;
  }
}

Deno.test("two signals within a second are one, and a later one ends the drain with exit code 1", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  const { program } = proxy;
  const workers = program.workers();
  await using streams = await EchoStreams.open(proxy, 2);
  program.signal("SIGINT");
  await program.event(({ event }) => event === "draining");
  program.signal("SIGTERM");
  program.signal("SIGINT");
  await pause(SAME_MS + 200);
  for (const stream of streams.all) await stream.turns();
  program.signal("SIGTERM");
  const { code, stderr } = await program.completed(10_000);
  assert.deepEqual({ code, stderr }, { code: 1, stderr: "" });
  assert.equal(program.events.at(-1)?.["event"], "stopped");
  for (const stream of streams.all) await stream.cut();
  for (const pid of workers) await gone(pid);
});

Deno.test("signals that mean nothing here end nothing and open no debugger", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  const { program } = proxy;
  await using streams = await EchoStreams.open(proxy, 2);
  for (const pid of [program.pid, ...program.workers()]) {
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) Deno.kill(pid, signal);
  }
  // A debugger says on standard error where it listens, which isn't quiet.
  for (const stream of streams.all) await stream.turns();
  await streams.stop();
  await stopQuietly(proxy);
});

Deno.test("Ctrl-C in a terminal drains, and doesn't reach the workers", async () => {
  await using backend = echoBackend();
  const keyboard = `${await Deno.makeTempDir({ prefix: "mc-proxy-keyboard-" })}/pipe`;
  await new Deno.Command("mkfifo", { args: [keyboard] }).output();
  // Open for both, or the open waits for the other end.
  using keys = await Deno.open(keyboard, { read: true, write: true });
  const { path, args } = programCommand();
  const command = { path: "/bin/sh", args: ["-c", IN_TERMINAL, keyboard, path, ...args] };
  await using proxy = await start(backend, { command });
  const { program } = proxy;
  const main = Number(program.events.find(({ event }) => event === "ready")?.["pid"]);
  const workers = childrenOf(main);
  assert.equal(workers.length, 2);
  const streams = await Promise.all(Array.from({ length: 6 }, () => openClient(proxy.addr)));
  const echoed = async (client: RawClient) => {
    await client.send(HELLO);
    assert.deepEqual(await client.readBytes(HELLO.length), HELLO);
  };
  for (const stream of streams) await echoed(stream);
  await keys.write(Uint8Array.of(3));
  // The terminal echoes "^C" before the line.
  await program.printed(/"event":"draining"/);
  await eventually("a refused connection", () => isRefused(proxy.addr));
  assert.deepEqual(workers.filter(isAlive), workers);
  for (const stream of streams) {
    await echoed(stream);
    await stream.finish();
    assert.equal((await stream.readToEnd()).end, "fin");
    stream[Symbol.dispose]();
  }
  assert.equal((await program.completed()).code, 0);
  assert.deepEqual(program.events.filter(({ level }) => level === "error"), []);
  for (const pid of workers) await gone(pid);
  await Deno.remove(keyboard.replace(/pipe$/, ""), { recursive: true });
});

Deno.test("workers finish their streams and end when the main process is killed", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  const workers = proxy.program.workers();
  await using streams = await EchoStreams.open(proxy, 2);
  proxy.program.signal("SIGKILL");
  await gone(proxy.program.pid);
  await eventually("a refused connection", () => isRefused(proxy.addr));
  for (const stream of streams.all) await stream.turns();
  assert.deepEqual(workers.filter(isAlive), workers);
  await streams.stop();
  for (const pid of workers) await gone(pid);
});

Deno.test("workers cut what is left at shutdown_timeout when the main process is killed", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, {}, "1s");
  const workers = proxy.program.workers();
  await using streams = await EchoStreams.open(proxy, 2);
  proxy.program.signal("SIGKILL");
  for (const stream of streams.all) assert.equal(await stream.cut(), "reset");
  for (const pid of workers) await gone(pid);
});

Deno.test("a worker that hangs ends when the main process is killed", async () => {
  await using backend = echoBackend();
  await using proxy = await startWithOrders({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers: 1 },
  });
  const [worker] = proxy.program.workers();
  proxy.order(0, "hang");
  await eventually("a worker that computes", () => busySeconds(worker!) > 0.5);
  proxy.program.signal("SIGKILL");
  await gone(proxy.program.pid);
  await gone(worker!, 20_000);
});

function busySeconds(pid: number): number {
  const { userSeconds, systemSeconds } = cpuTime(pid);
  return userSeconds + systemSeconds;
}
