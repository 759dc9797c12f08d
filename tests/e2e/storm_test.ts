/**
 * Goal: clients that reset while they wait in the accept queue cost nothing but themselves: afterwards every worker
 * accepts as before, at once.
 * Method: the workers are stopped (SIGSTOP), so that thousands of clients meet a queue that nobody empties; all reset;
 * the workers go on, and of many new clients through both of them every one is served.
 *
 * @module
 */

import assert from "node:assert/strict";
import net from "node:net";
import { acceptErrorCounter } from "../../src/observe/counters.ts";
import { GAUGE_ALL } from "../../src/observe/memory_layout.ts";
import { echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { signalProcess } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";
import { sharedMemoryOf, socketCount } from "./shared_counts.ts";

const STORM = 3_000;
const AT_ONCE = 500;
/** Two workers' queues hold them all. */
const ROUND = 1_500;

/** Connects and resets. */
function connectAndReset(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.once("close", () => resolve());
      socket.resetAndDestroy();
    });
  });
}

Deno.test("an accept queue full of clients that have reset leaves every worker accepting", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers: 2 },
  });
  const { program, addr } = proxy;
  const port = Number(addr.split(":")[1]);
  const workers = program.workers();
  const aborted = () =>
    sharedMemoryOf(program.pid, 2).columns.map((column) => column.counted(acceptErrorCounter("aborted")));
  const before = workers.map(socketCount);
  for (let reset = 0; reset < STORM; reset += ROUND) {
    // Main stands still as well: it would take a long storm for workers that hang.
    program.signal("SIGSTOP");
    for (const pid of workers) signalProcess(pid, "SIGSTOP");
    for (let opened = 0; opened < ROUND; opened += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => connectAndReset(port)));
    }
    for (const pid of workers) signalProcess(pid, "SIGCONT");
    program.signal("SIGCONT");
    await using streams = await EchoStreams.open(proxy, 5);
    await streams.stop();
  }
  for (const count of aborted()) assert.ok(count > STORM / 10, `accept failed ${aborted()} times`);
  await eventually("no connection open", () => sharedMemoryOf(program.pid, 2).total(GAUGE_ALL) === 0);
  await eventually(
    "no socket left",
    () => workers.every((pid, at) => socketCount(pid) <= before[at]!),
  );
  assert.deepEqual(program.workers(), workers);
  await stopQuietly(proxy);
});
