/**
 * Goal: a stop loses no stream that ends within `shutdown_timeout`, cuts the rest with RST so that nobody takes it for
 * whole, and says how many those were.
 * Method: streams through both workers while SIGTERM arrives; some end in time, some never; what clients, backend, log
 * and exit code then say.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Backend, echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { gone } from "../support/processes.ts";
import { Program } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { eventually, pause } from "./eventually.ts";

function start(backend: Backend, shutdownTimeout: string, drainDelay = "0s"): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers: 2, shutdown_timeout: shutdownTimeout, drain_delay: drainDelay },
  });
}

/** Sends SIGTERM and waits until nobody can connect any more. */
async function beginDrain({ program, addr }: Proxy): Promise<void> {
  program.signal("SIGTERM");
  await program.event(({ event }) => event === "draining");
  await eventually("a refused connection", () => isRefused(addr));
}

async function isRefused(addr: string): Promise<boolean> {
  try {
    using _client = await openClient(addr);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
  }
}

Deno.test("a drain cuts no stream that ends in time and refuses new connections", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "30s");
  const workers = proxy.program.workers();
  await using streams = await EchoStreams.open(proxy, 4);
  await beginDrain(proxy);
  // The streams end one after the other, and those that are left turn on.
  for (const stream of streams.all) {
    await stream.turns();
    assert.ok(await isRefused(proxy.addr));
    await stream.stop();
  }
  const { code, stderr } = await proxy.program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const last = proxy.program.events.at(-1)!;
  assert.deepEqual([last["event"], last["cut"], last["events_dropped"]], ["stopped", 0, 0]);
  const connections = proxy.program.events.filter(({ event }) => event === "connection");
  const served = connections.filter(({ route }) => route === SERVER_NAME);
  assert.deepEqual(served.map(({ reason }) => reason), streams.all.map(() => "client_eof"));
  for (const pid of workers) await gone(pid);
});

Deno.test("a drain ends at its deadline with a RST to what is left and tells their number", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "1s");
  await using streams = await EchoStreams.open(proxy, 3);
  const startedMs = performance.now();
  await beginDrain(proxy);
  await Promise.all(streams.all.map(async (stream) => assert.equal(await stream.cut(), "reset")));
  const cutMs = performance.now() - startedMs;
  assert.ok(cutMs >= 1_000, `cut after ${cutMs} ms`);
  const { code, stderr } = await proxy.program.completed(10_000);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const last = proxy.program.events.at(-1)!;
  assert.deepEqual([last["event"], last["cut"]], ["stopped", streams.count]);
  const drained = proxy.program.events.filter(({ reason }) => reason === "drained");
  assert.equal(drained.length, streams.count);
  for (const { ended } of backend.connections) assert.equal(await ended, "reset");
});

Deno.test("a drain waits for drain_delay before it stops accepting", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "5s", "1s");
  const startedMs = performance.now();
  proxy.program.signal("SIGTERM");
  await proxy.program.event(({ event }) => event === "draining");
  {
    await using stream = await EchoStream.open(proxy);
    assert.ok(stream !== undefined);
  }
  await eventually("a refused connection", () => isRefused(proxy.addr));
  assert.ok(performance.now() - startedMs >= 1_000);
  const { code } = await proxy.program.completed();
  assert.equal(code, 0);
});

Deno.test("a drain goes on when SIGHUP comes", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "30s");
  await using streams = await EchoStreams.open(proxy, 1);
  await beginDrain(proxy);
  for (let count = 0; count < 3; count++) {
    proxy.program.signal("SIGHUP");
    await pause(50);
  }
  for (const stream of streams.all) {
    await stream.turns();
    await stream.stop();
  }
  const { code, stderr } = await proxy.program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("a drain without connections ends at once", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "30s");
  const startedMs = performance.now();
  await stopQuietly(proxy);
  assert.ok(performance.now() - startedMs < 10_000);
});

Deno.test("SIGHUP does nothing to a server that is starting", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "30s");
  await stopQuietly(proxy);
  await using again = new Program(["server", "-c", proxy.config.path]);
  await again.event(({ event }) => event === "starting");
  again.signal("SIGHUP");
  await again.ready();
  await stopQuietly({ ...proxy, program: again });
});
