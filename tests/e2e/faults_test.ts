/**
 * Goal: the process that strangers talk to can't read a file, start a program, load a library or make a file, and the
 * orders that make it try do nothing without `--testing-only-faults`.
 * Method: a worker of the real program is told to try each, and the log says which error it met.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FAULTS } from "../../src/proxy/messages.ts";
import { echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { stopQuietly } from "../support/quiet.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { startWithOrders } from "./fault_orders.ts";

Deno.test("a worker may use the network and nothing else", async (t) => {
  await using backend = echoBackend();
  await using proxy = await startWithOrders({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers: 2 },
  });
  for (const worker of [0, 1]) {
    for (const fault of ["read", "spawn", "library", "database"] as const) {
      await t.step(`worker ${worker} told to ${fault}`, async () => {
        const from = proxy.program.events.length;
        proxy.order(worker, fault);
        const event = await proxy.program.event(({ event }) => event === "fault", 10_000, from);
        assert.deepEqual([event["worker"], event["detail"]], [worker, "NotCapable"]);
      });
    }
  }
  await using stream = await EchoStream.open(proxy);
  await stream!.stop();
  await stopQuietly(proxy);
});

Deno.test("a program that isn't started for tests obeys no order to fail", async () => {
  await using backend = echoBackend();
  await using proxy = await startWithOrders({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { workers: 1 },
  }, { args: [] });
  const workers = proxy.program.workers();
  for (const fault of FAULTS) proxy.order(0, fault);
  await using stream = await EchoStream.open(proxy);
  await stream!.turns();
  await stream!.stop();
  assert.deepEqual(proxy.program.workers(), workers);
  await stopQuietly(proxy);
  assert.deepEqual(proxy.program.events.filter(({ event }) => event === "fault"), []);
});
