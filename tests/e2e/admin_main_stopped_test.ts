/**
 * Goal: whatever holds the main process up (a slow disk, a VACUUM, a debugger), the data plane doesn't feel it, and what
 * waits for it has a bound.
 * Method: the main process is stopped with SIGSTOP; connections go through meanwhile, open streams run on; afterwards
 * every event was told or counted as dropped.
 *
 * @module
 */

import assert from "node:assert/strict";
import { BATCH_EVENTS, BATCHES_OUTSTANDING_MAX } from "../../src/proxy/messages.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { anonymousKib } from "../support/processes.ts";
import { parsePrometheusText } from "../support/prometheus_text.ts";
import { startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";

/** More than what may wait for main. */
const CONNECTIONS = 5_000;
const AT_ONCE = 25;
/** What the worker may grow by meanwhile. */
const GROWTH_KIB_MAX = 64 * 1_024;
const INTERNAL_ERROR = 80;

/** Makes connections whose backend isn't there, each with an event of its own. @returns how many got their alert */
async function connections(addr: string, count: number): Promise<number> {
  const hello = clientHello({ serverName: "down.test" });
  let begun = 0;
  let answered = 0;
  const one = async () => {
    while (begun++ < count) if ((await exchange(addr, hello)).bytes.at(-1) === INTERNAL_ERROR) answered++;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return answered;
}

Deno.test("5,000 connections and open streams don't feel that the main process stands still", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{
      routes: [
        { hostname: SERVER_NAME, backend: `127.0.0.1:${backend.port}` },
        { hostname: "down.test", backend: "127.0.0.1:1" },
      ],
    }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  const { program, addr } = proxy;
  const [worker] = program.workers();
  await using stream = await EchoStream.open(proxy);
  assert.equal(await connections(addr, 500), 500);
  const before = anonymousKib(worker!);
  program.signal("SIGSTOP");
  try {
    assert.equal(await connections(addr, CONNECTIONS), CONNECTIONS);
    await stream!.turns();
    const growth = anonymousKib(worker!) - before;
    assert.ok(growth < GROWTH_KIB_MAX, `the worker has grown by ${growth} KiB`);
  } finally {
    program.signal("SIGCONT");
  }
  await stream!.turns();
  await using admin = await adminOf(proxy.config.folder);
  const told = () =>
    program.events.filter(({ event, reason }) => event === "connection" && reason === "dial_failed").length;
  const dropped = async () => {
    const families = parsePrometheusText((await admin.api.getMetrics({})).text);
    return families.get("mcproxy_events_dropped_total")!.samples[0]!.value;
  };
  const all = CONNECTIONS + 500;
  await eventually("every event, told or dropped", async () => told() + await dropped() === all);
  assert.ok(
    await dropped() >= CONNECTIONS - BATCHES_OUTSTANDING_MAX * BATCH_EVENTS,
    `${await dropped()} dropped`,
  );
  assert.deepEqual(program.workers(), [worker], "the same worker");
  assert.equal((await admin.api.getStatus({})).status?.isHealthy, true);
});
