/**
 * Goal: whatever ends a worker (SIGKILL, an uncaught error, a hang, memory running out), its own connections are all
 * that is lost: those of other workers go on, counts are exact afterwards, and within seconds another worker serves.
 * Method: streams through both workers fill a listener's limit while short connections come and go on another
 * listener; one worker fails in each of the ways; then exactly as many streams fit as the dead one had carried, the
 * shared memory adds up, and every one of many new connections is served.
 *
 * @module
 */

import assert from "node:assert/strict";
import { GAUGE_ALL, listenerGauge } from "../../src/observe/memory_layout.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { routes } from "../support/config.ts";
import { gone, signalProcess } from "../support/processes.ts";
import type { LogEvent } from "../support/program.ts";
import { exchange } from "../support/raw_client.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";
import { type OrderedProxy, startWithOrders } from "./fault_orders.ts";
import { sharedMemoryOf } from "./shared_counts.ts";

const WORKERS = 2;
const STREAMS_MAX = 12;
/** From the failure to whole service. */
const WHOLE_MS = 6_000;
/** What a machine under load may add. */
const LATE_MS = 4_000;
const HELLO = clientHello({ serverName: SERVER_NAME });

interface Failure {
  readonly name: string;
  /** Makes worker 0, whose process this is, fail. */
  readonly fail: (proxy: OrderedProxy, pid: number) => void;
  /** What the log says besides the loss. */
  readonly told: (event: LogEvent) => boolean;
}

const FAILURES: readonly Failure[] = [
  {
    name: "is killed",
    fail: (_, pid) => signalProcess(pid, "SIGKILL"),
    told: ({ event, signal }) => event === "worker_lost" && signal === "SIGKILL",
  },
  {
    name: "throws",
    fail: (proxy) => proxy.order(0, "throw"),
    told: ({ event, line }) => event === "worker_stderr" && `${line}`.includes("told to throw"),
  },
  {
    name: "hangs",
    fail: (proxy) => proxy.order(0, "hang"),
    told: ({ event, worker }) => event === "worker_hung" && worker === 0,
  },
  {
    name: "runs out of memory",
    fail: (proxy) => proxy.order(0, "memory"),
    told: ({ event, line }) => event === "worker_hung" || /JavaScript (heap )?out of memory/.test(`${line}`),
  },
];

/** Short connections, one after the other, from a few clients at once; those of a dying worker may fail. */
class Churn implements AsyncDisposable {
  readonly #clients: Promise<void>[];
  #stopping = false;
  served = 0;

  constructor(addr: string) {
    this.#clients = Array.from({ length: 4 }, () => this.#run(addr));
  }

  async #run(addr: string): Promise<void> {
    while (!this.#stopping) {
      const { bytes } = await exchange(addr, HELLO, true).catch(() => ({ bytes: new Uint8Array() }));
      if (bytes.length === HELLO.length) this.served++;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }
}

function start(backend: string): Promise<OrderedProxy> {
  return startWithOrders({
    listeners: [
      { max_connections: STREAMS_MAX, routes: routes({ [SERVER_NAME]: backend }) },
      { routes: routes({ [SERVER_NAME]: backend }) },
    ],
    proxy: { workers: WORKERS },
  });
}

/** The process that worker 0 is now. */
function firstWorker({ program }: OrderedProxy): number {
  const replaced = program.events.findLast(({ event, worker }) =>
    event === "worker_replaced" && worker === 0
  );
  return replaced === undefined ? program.workers()[0]! : Number(replaced["pid"]);
}

async function failUnderLoad(proxy: OrderedProxy, { fail, told }: Failure): Promise<void> {
  const { program, addrs } = proxy;
  await using streams = await EchoStreams.fill(proxy);
  assert.equal(streams.count, STREAMS_MAX);
  const victim = firstWorker(proxy);
  const dying = streams.of(victim);
  const living = streams.all.filter((stream) => !dying.includes(stream));
  const from = program.events.length;
  {
    await using churn = new Churn(addrs[1]!);
    const startedMs = performance.now();
    fail(proxy, victim);
    await program.event(({ event }) => event === "worker_replaced", WHOLE_MS + LATE_MS, from);
    const wholeMs = performance.now() - startedMs;
    assert.ok(wholeMs < WHOLE_MS + LATE_MS, `whole after ${wholeMs} ms`);
    await gone(victim);
    for (const stream of dying) assert.notEqual(await stream.cut(), undefined);
    for (const stream of living) await stream.turns();
    const { served } = churn;
    await eventually("a churn that is served", () => churn.served > served + 20);
  }
  const log = program.events.slice(from).filter(({ event }) => event !== "connection");
  assert.ok(log.some(told), JSON.stringify(log));
  const lost = log.find(({ event }) => event === "worker_lost");
  assert.deepEqual([lost?.["worker"], lost?.["pid"]], [0, victim]);
  const connectionsLost = log.find(({ event, listener }) =>
    event === "connections_lost" && listener === addrs[0]
  );
  assert.equal(connectionsLost?.["connections"] ?? 0, dying.length);
  await assertExact(proxy, living.length);
  await using more = await EchoStreams.fill(proxy);
  assert.equal(more.count, dying.length, "slots of the dead worker");
  await assertExact(proxy, STREAMS_MAX);
  await Promise.all([...living, ...more.all].map((stream) => stream.stop()));
  await assertExact(proxy, 0);
}

/** That many connections are open, all on the first listener, and every total is the sum of the workers' shares. */
async function assertExact({ program }: OrderedProxy, open: number): Promise<void> {
  const gauges = [GAUGE_ALL, listenerGauge(0), listenerGauge(1)];
  const look = () => {
    const memory = sharedMemoryOf(program.pid, WORKERS);
    return gauges.map((gauge) => [
      memory.total(gauge),
      memory.columns.reduce((sum, column) => sum + column.share(gauge), 0),
    ]);
  };
  const expected = [[open, open], [open, open], [0, 0]];
  // A client sees its end before its worker has counted it.
  await eventually(
    `counts of ${open} open`,
    () => JSON.stringify(look()) === JSON.stringify(expected),
    5_000,
  ).catch(() => assert.deepEqual(look(), expected));
}

Deno.test("a worker that fails costs its own connections and nothing else", async (t) => {
  await using backend = echoBackend();
  await using proxy = await start(backend.addr);
  for (const failure of FAILURES) {
    await t.step(`it ${failure.name}`, () => failUnderLoad(proxy, failure));
  }
  await t.step("a new connection is served every time afterwards", async () => {
    for (let count = 0; count < 40; count++) {
      await using stream = await EchoStream.open(proxy);
      assert.ok(stream !== undefined);
    }
  });
  proxy.program.signal("SIGTERM");
  const { code } = await proxy.program.completed();
  assert.equal(code, 0);
  assert.equal(proxy.program.events.at(-1)?.["cut"], 0);
});

Deno.test("a worker that dies again and again is replaced later each time", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend.addr);
  const { program } = proxy;
  const delaysMs = [];
  for (let death = 0; death < 5; death++) {
    const from = program.events.length;
    signalProcess(firstWorker(proxy), "SIGKILL");
    const lost = await program.event(({ event }) => event === "worker_lost", 10_000, from);
    const replaced = await program.event(({ event }) => event === "worker_replaced", 10_000, from);
    delaysMs.push(Date.parse(`${replaced["time"]}`) - Date.parse(`${lost["time"]}`));
  }
  for (const [death, delayMs] of [0, 100, 200, 400, 800].entries()) {
    assert.ok(delaysMs[death]! >= delayMs, `delays ${delaysMs}`);
  }
});
