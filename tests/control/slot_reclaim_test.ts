/**
 * Goal: routes can come and go without end, and none is ever counted as another one.
 * Method: real workers whose 16,384 slots are all given away.
 *
 * @module
 */

import assert from "node:assert/strict";
import { BUILD } from "../../src/control/program.ts";
import { reclaimSlots } from "../../src/control/slot_reclaim.ts";
import { Slots } from "../../src/control/slots.ts";
import { WorkerSeat } from "../../src/control/worker_seat.ts";
import { ProxyError } from "../../src/errors.ts";
import { requestCounter, ROUTES_MAX } from "../../src/observe/counters.ts";
import { columnOf, GAUGE_ALL, routeGauge, sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";
import type { Configuration } from "../../src/state/model.ts";
import { eventually } from "../e2e/eventually.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { freePort } from "../support/ports.ts";
import { openClient, type RawClient } from "../support/raw_client.ts";
import { createWorkers, listenerOn, routeTo, stateOf, type Workers } from "./workers.ts";

const STATUS = 200;

/** Two workers on one listener, whose routes are numbers with the names `1.test` and so on. */
class Scene implements AsyncDisposable {
  readonly workers: Workers = createWorkers();
  readonly #backend: Backend = echoBackend();
  readonly #port = freePort();
  #revision = 1;

  configuration(routeIds: readonly number[]): Configuration {
    const routes = routeIds.map((id) => routeTo(id, `${id}.test`, this.#backend.port));
    return { listeners: [listenerOn(1, this.#port, routes)], firewallRules: [] };
  }

  async start(routeIds: readonly number[]): Promise<void> {
    await this.workers.supervisor.start(stateOf(this.configuration(routeIds)), () => {});
  }

  async change(routeIds: readonly number[]): Promise<void> {
    await this.workers.supervisor.change(stateOf(this.configuration(routeIds), ++this.#revision), () => {});
  }

  /** A stream on a route, its hello echoed. */
  async stream(routeId: number): Promise<RawClient> {
    const client = await openClient(`127.0.0.1:${this.#port}`);
    await client.send(clientHello({ serverName: `${routeId}.test` }));
    assert.equal((await client.read())?.[0], 22);
    return client;
  }

  slot(routeId: number): number {
    const slot = this.workers.supervisor.slots.route(routeId);
    assert.ok(slot !== undefined, `route ${routeId} has no slot`);
    return slot;
  }

  open(routeId: number): number {
    return this.workers.memory.total(routeGauge(this.slot(routeId)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers[Symbol.asyncDispose]();
    await this.#backend[Symbol.asyncDispose]();
  }
}

function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

Deno.test("a removed route's slot goes to another one when no connection uses it, its counters set back", async () => {
  await using scene = new Scene();
  const { memory } = scene.workers;
  await scene.start(numbers(1, ROUTES_MAX));
  const kept = await scene.stream(1);
  const slot = scene.slot(1);
  for (const id of [1, 3]) memory.main.count(requestCounter(scene.slot(id), STATUS), 5);
  await scene.change([2]);

  const others = [2, ...numbers(20_001, ROUTES_MAX - 2)];
  await scene.change(others);
  assert.equal(scene.slot(1), slot, "a slot with an open connection");
  const slots = new Set(others.map((id) => scene.slot(id)));
  assert.ok(slots.size === others.length && !slots.has(slot), "two routes in one slot");
  assert.deepEqual([scene.open(1), memory.counted(requestCounter(slot, STATUS))], [1, 5]);
  const counted = others.map((id) => memory.counted(requestCounter(scene.slot(id), STATUS)));
  assert.ok(counted.every((count) => count === 0), "another one's counters");
  const other = await scene.stream(20_001);
  assert.deepEqual([scene.open(1), scene.open(20_001)], [1, 1]);

  const one = [...others, 90_000];
  await assert.rejects(
    scene.change(one),
    (error) =>
      error instanceof ProxyError && error.code === "unavailable" && /open connections/.test(error.message),
  );
  const answer = new TextEncoder().encode("still here");
  await kept.send(answer);
  assert.deepEqual(await kept.readBytes(answer.length), answer);
  kept[Symbol.dispose]();
  await eventually("the end of the last connection", () => scene.open(1) === 0);
  await scene.change(one);
  assert.deepEqual([scene.slot(90_000), memory.counted(requestCounter(slot, STATUS))], [slot, 0]);
  (await scene.stream(90_000))[Symbol.dispose]();
  other[Symbol.dispose]();
});

Deno.test("a route that comes back with its id is counted again, also after its slot went to another one", async () => {
  await using scene = new Scene();
  await scene.start(numbers(1, ROUTES_MAX));
  await scene.change([2]);
  await scene.change(numbers(20_001, ROUTES_MAX - 1));
  await scene.change([1, 20_001]);
  const first = await scene.stream(1);
  assert.deepEqual([scene.open(1), scene.open(20_001)], [1, 0]);
  first[Symbol.dispose]();
  await eventually("the end of the connection", () => scene.open(1) === 0);
});

/** Whether the slot of a route that is gone is released. */
async function isReclaimed(seats: readonly WorkerSeat[], memory: SharedMemory): Promise<boolean> {
  const slots = new Slots();
  const before = { listeners: [listenerOn(1, 443, [routeTo(1, "a.test", 1)])], firewallRules: [] };
  slots.assign(before);
  await reclaimSlots({ seats, memory, slots }, slots.idle());
  return slots.route(1) === undefined;
}

Deno.test("reclaimSlots() releases nothing while a worker is being started", async () => {
  const memory = new SharedMemory(new ArrayBuffer(sharedMemoryBytes(1)), 1);
  assert.ok(await isReclaimed([new WorkerSeat(0)], memory), "nobody is there");
  const seat = new WorkerSeat(0);
  const gone = Promise.withResolvers<void>();
  const script = `read -r start; echo '{"type":"ready","build":"${BUILD}"}'; exec cat > /dev/null`;
  const command = { path: "/bin/sh", args: ["-c", script], env: {} };
  const file = { fd: 0, sizeBytes: 0 };
  const start = { type: "start", build: BUILD, column: 0, idPrefix: "", connectionsMax: 1 } as const;
  await seat.start(command, { ...start, sharedMemory: file, geoip: file }, {
    message: (message) => seat.answered(message),
    stderr: () => {},
    ended: () => gone.resolve(),
  });
  assert.equal(await isReclaimed([seat], memory), false);
  seat.worker?.kill();
  await gone.promise;
});

Deno.test("reclaimSlots() releases nothing before a dead worker's counters are main's", async () => {
  const buffer = new ArrayBuffer(sharedMemoryBytes(2));
  const memory = new SharedMemory(buffer, 2);
  memory.columns[0]!.acquire(GAUGE_ALL, 0);
  const sequence = columnOf(buffer, 1).control;
  sequence[0] = 1;
  assert.equal(memory.retire(0), undefined);
  assert.equal(await isReclaimed([], memory), false);
  sequence[0] = 2;
  assert.notEqual(memory.retire(0), undefined);
  assert.ok(await isReclaimed([], memory));
});
