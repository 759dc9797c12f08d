import assert from "node:assert/strict";
import fc from "fast-check";
import { closeDescriptor, createMemoryFile, loadNative, mapMemoryFile } from "../../src/net/native.ts";
import {
  bytesCounter,
  COUNTER,
  listenerCounters,
  LISTENERS_MAX,
  reasonCounter,
  requestCounter,
  routeCounters,
  ROUTES_MAX,
} from "../../src/observe/counters.ts";
import { Column } from "../../src/observe/column.ts";
import {
  GAUGE_ALL,
  isLaidOut,
  listenerGauge,
  routeGauge,
  sharedMemoryBytes,
} from "../../src/observe/memory_layout.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";
import { LineReader } from "../support/line_reader.ts";
import { arrivals } from "../support/arrivals.ts";

loadNative();

/** First word of a column's control words; odd while a gauge is changed. */
const SEQUENCE_STEP = 1;

function laidOut(workers: number): { memory: SharedMemory; buffer: ArrayBuffer } {
  const buffer = new ArrayBuffer(sharedMemoryBytes(workers));
  return { memory: new SharedMemory(buffer, workers), buffer };
}

Deno.test("isLaidOut() tells this build's memory from any other", () => {
  const { buffer } = laidOut(1);
  assert.ok(isLaidOut(buffer));
  for (const word of [0, 1]) {
    const other = buffer.slice(0);
    new Int32Array(other)[word]! += 1;
    assert.equal(isLaidOut(other), false, `word ${word}`);
  }
  assert.equal(isLaidOut(new ArrayBuffer(buffer.byteLength)), false);
});

Deno.test("clear() sets the counters of a slot back in every column, and of no other slot", () => {
  const { memory } = laidOut(2);
  const columns = [...memory.columns, memory.main];
  const edges = [0, 1, LISTENERS_MAX - 1];
  const ended = (slot: number) => [reasonCounter(slot, "client_eof"), bytesCounter(slot, "sent")];
  for (const column of columns) {
    for (const slot of edges) for (const each of ended(slot)) column.count(each, 3);
  }
  memory.columns[1]!.acquire(listenerGauge(1), 0);
  assert.equal(memory.clear(listenerGauge(1), listenerCounters(1)), false);
  assert.deepEqual(ended(1).map((counter) => memory.counted(counter)), [9, 9]);
  memory.columns[1]!.release(listenerGauge(1));
  assert.ok(memory.clear(listenerGauge(1), listenerCounters(1)));
  assert.deepEqual(edges.flatMap(ended).map((counter) => memory.counted(counter)), [9, 9, 0, 0, 9, 9]);

  for (const slot of [4, 5, 6]) {
    for (const status of [0, 503]) memory.main.count(requestCounter(slot, status));
  }
  assert.ok(memory.clear(routeGauge(5), routeCounters(5)));
  const requests = [4, 5, 6].flatMap((slot) => [0, 503].map((status) => requestCounter(slot, status)));
  assert.deepEqual(requests.map((counter) => memory.counted(counter)), [1, 1, 0, 0, 1, 1]);
});

Deno.test("every gauge and counter of every column has a place of its own", () => {
  const { memory } = laidOut(2);
  const gauges = [
    GAUGE_ALL,
    listenerGauge(0),
    listenerGauge(LISTENERS_MAX - 1),
    routeGauge(0),
    routeGauge(ROUTES_MAX - 1),
  ];
  for (const [position, gauge] of gauges.entries()) {
    for (let count = 0; count <= position; count++) {
      assert.ok(memory.columns[position % 2]!.acquire(gauge, 0));
    }
  }
  assert.deepEqual(gauges.map((gauge) => memory.total(gauge)), [1, 2, 3, 4, 5]);
  assert.deepEqual(gauges.map((gauge) => memory.columns[0]!.share(gauge)), [1, 0, 3, 0, 5]);
  assert.deepEqual(gauges.map((gauge) => memory.columns[1]!.share(gauge)), [0, 2, 0, 4, 0]);
  memory.columns[1]!.count(COUNTER.eventsDropped, 7);
  memory.main.count(COUNTER.eventsDropped, 2);
  assert.equal(memory.counted(COUNTER.eventsDropped), 9);
  assert.deepEqual(gauges.map((gauge) => memory.total(gauge)), [1, 2, 3, 4, 5]);
});

Deno.test("acquire() grants up to the limit over all columns, and 0 is no limit", () => {
  const { memory } = laidOut(2);
  const [first, second] = memory.columns;
  const grants = (column: Column | undefined, limit: number) => column!.acquire(GAUGE_ALL, limit);
  assert.deepEqual([grants(first, 3), grants(second, 3), grants(first, 3), grants(second, 3)], [
    true,
    true,
    true,
    false,
  ]);
  assert.equal(first!.sequence % 2 + second!.sequence % 2, 0);
  second!.release(GAUGE_ALL);
  assert.deepEqual([grants(first, 3), grants(first, 3)], [true, false]);
  assert.ok(grants(second, 0));
  assert.equal(memory.total(GAUGE_ALL), 4);
});

Deno.test("the model of gauges holds for any sequence of acquire, release and retire", () => {
  const action = fc.record({
    column: fc.nat(2),
    gauge: fc.constantFrom(GAUGE_ALL, listenerGauge(1), routeGauge(2)),
    kind: fc.constantFrom("acquire", "acquire", "acquire", "release", "retire"),
    limit: fc.nat(4),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const { memory } = laidOut(3);
      const model = [0, 1, 2].map(() => new Map<number, number>());
      const share = (column: number, gauge: number) => model[column]!.get(gauge) ?? 0;
      const total = (gauge: number) => [0, 1, 2].reduce((sum, column) => sum + share(column, gauge), 0);
      for (const { column, gauge, kind, limit } of actions) {
        if (kind === "acquire") {
          const isFree = limit === 0 || total(gauge) < limit;
          assert.equal(memory.columns[column]!.acquire(gauge, limit), isFree);
          if (isFree) model[column]!.set(gauge, share(column, gauge) + 1);
        } else if (kind === "release" && share(column, gauge) > 0) {
          memory.columns[column]!.release(gauge);
          model[column]!.set(gauge, share(column, gauge) - 1);
        } else if (kind === "retire") {
          const lost = share(column, listenerGauge(1));
          assert.deepEqual([...memory.retire(column)!], lost > 0 ? [[1, lost]] : []);
          model[column]!.clear();
        }
        assert.equal(memory.total(gauge), total(gauge));
        assert.equal(memory.columns[column]!.share(gauge), share(column, gauge));
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("retire() hands counters on, counts what was lost and leaves a clean column", () => {
  const { memory } = laidOut(2);
  const [dead, living] = memory.columns;
  dead!.count(reasonCounter(4, "client_eof"), 5);
  dead!.beat();
  for (let count = 0; count < 3; count++) dead!.acquire(listenerGauge(4), 0);
  living!.acquire(listenerGauge(4), 0);
  assert.deepEqual([...memory.retire(0)!], [[4, 3]]);
  assert.equal(memory.counted(reasonCounter(4, "client_eof")), 5);
  assert.equal(memory.main.counted(reasonCounter(4, "client_eof")), 5);
  assert.equal(memory.counted(reasonCounter(4, "worker_lost")), 3);
  assert.deepEqual([dead!.heartbeat, dead!.sequence, dead!.share(listenerGauge(4))], [0, 0, 0]);
  assert.equal(memory.total(listenerGauge(4)), 1);
  assert.deepEqual([...memory.retire(0)!], [], "twice");
});

Deno.test("retire() settles what a death between the two words of a gauge left open", () => {
  // Total and share as a process leaves them that dies in the middle of a change.
  const deaths: [string, number, number][] = [
    ["acquire, total only", 1, 0],
    ["release, total only", -1, 0],
    ["nothing but the odd word", 0, 0],
  ];
  // Also of a gauge in which it held nothing.
  for (const held of [0, 2]) {
    for (const [name, total, share] of deaths) {
      const { memory, buffer } = laidOut(2);
      for (let count = 0; count < held; count++) memory.columns[0]!.acquire(GAUGE_ALL, 0);
      memory.columns[1]!.acquire(GAUGE_ALL, 0);
      const words = wordsOf(buffer, 0);
      Atomics.add(words.sequence, 0, SEQUENCE_STEP);
      Atomics.add(words.totals, GAUGE_ALL, total);
      Atomics.add(words.shares, GAUGE_ALL, share);
      assert.equal(memory.columns[0]!.sequence % 2, 1);
      assert.deepEqual([...memory.retire(0)!], [], name);
      assert.equal(memory.total(GAUGE_ALL), 1, name);
      assert.equal(memory.columns[0]!.sequence % 2, 0, name);
    }
  }
});

Deno.test("retire() has to be repeated while a living process is in the middle of a change", () => {
  const { memory, buffer } = laidOut(2);
  memory.columns[0]!.acquire(listenerGauge(2), 0);
  const { sequence } = wordsOf(buffer, 1);
  Atomics.add(sequence, 0, SEQUENCE_STEP);
  assert.equal(memory.retire(0), undefined);
  assert.equal(memory.columns[0]!.share(listenerGauge(2)), 1, "nothing is taken off yet");
  Atomics.add(sequence, 0, SEQUENCE_STEP);
  assert.deepEqual([...memory.retire(0)!], [[2, 1]]);
});

Deno.test("retire() settles two that died at once, each in the middle of a change", () => {
  for (const first of [0, 1]) {
    const { memory, buffer } = laidOut(3);
    for (const column of memory.columns) column.acquire(GAUGE_ALL, 0);
    // One has added to the total and not to its share, the other taken off the total alone.
    for (const [index, change] of [1, -1].entries()) {
      const { totals, sequence } = wordsOf(buffer, index);
      Atomics.add(sequence, 0, SEQUENCE_STEP);
      Atomics.add(totals, GAUGE_ALL, change);
    }
    memory.retire(first);
    assert.notEqual(memory.retire(1 - first), undefined, `${1 - first} waits for ${first}`);
    assert.notEqual(memory.retire(first), undefined, `${first} waits for ${1 - first}`);
    assert.equal(memory.total(GAUGE_ALL), 1);
    memory.columns[first]!.acquire(GAUGE_ALL, 0);
    assert.equal(memory.total(GAUGE_ALL), 2);
  }
});

/** The words of one column, found by what a change of theirs changes: the layout itself is nobody's business. */
function wordsOf(buffer: ArrayBuffer, index: number) {
  const words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
  const column = new Column(buffer, index);
  const find = (change: () => void, undo: () => void): number[] => {
    const before = words.slice();
    change();
    const changed = [...words.keys()].filter((at) => words[at] !== before[at]);
    undo();
    return changed;
  };
  const changed = find(() => column.acquire(GAUGE_ALL, 0), () => column.release(GAUGE_ALL));
  const [totals, sequence, shares] = changed.toSorted((left, right) => left - right);
  assert.equal(changed.length, 3);
  return {
    totals: words.subarray(totals!),
    sequence: words.subarray(sequence!),
    shares: words.subarray(shares!),
  };
}

/** A process of child_memory.ts. */
class Hammer {
  readonly child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #arrivals = arrivals();
  readonly #reader: LineReader;

  constructor(fd: number, sizeBytes: number, column: number, limit: number) {
    this.child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        new URL("./child_memory.ts", import.meta.url).pathname,
        ...[fd, sizeBytes, column, limit].map(String),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reader = new LineReader(this.child.stdout, (line) => {
      this.#lines.push(line);
      this.#arrivals.notify();
    });
  }

  async ready(): Promise<void> {
    assert.ok(await this.#arrivals.until(() => this.#lines.length > 0 || undefined, 20_000));
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#end();
  }

  /** Lets it stop and say what it holds. */
  async stop(): Promise<{ held: number[]; shares: number[] }> {
    await this.child.stdin.close();
    await this.#end();
    return JSON.parse(this.#lines.at(-1)!);
  }

  async #end(): Promise<void> {
    await this.child.status;
    await this.#reader.done;
    await this.child.stdin.abort().catch(() => {});
  }
}

Deno.test("totals are the sum of what the living hold, whenever others are killed", async () => {
  const workers = 3;
  const limit = 50;
  const gauges = [GAUGE_ALL, listenerGauge(3)];
  const sizeBytes = sharedMemoryBytes(workers);
  const fd = createMemoryFile("test", sizeBytes);
  const memory = new SharedMemory(mapMemoryFile(fd, sizeBytes), workers);
  const start = (column: number) => new Hammer(fd, sizeBytes, column, limit);
  const hammers = [0, 1, 2].map(start);
  await Promise.all(hammers.map((hammer) => hammer.ready()));
  let retries = 0;
  for (let death = 0; death < 8; death++) {
    const column = death % workers;
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 30));
    for (const gauge of gauges) assert.ok(memory.total(gauge) <= limit, `${memory.total(gauge)}`);
    await hammers[column]!.kill();
    while (memory.retire(column) === undefined) {
      retries++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    hammers[column] = start(column);
    await hammers[column].ready();
  }
  const ends = await Promise.all(hammers.map((hammer) => hammer.stop()));
  assert.ok(retries < 10_000);
  for (const { held, shares } of ends) assert.deepEqual(shares, held);
  for (const [position, gauge] of gauges.entries()) {
    const held = ends.reduce((sum, end) => sum + end.held[position]!, 0);
    assert.ok(held <= limit, `${held} held of ${limit}`);
    assert.equal(memory.total(gauge), held);
  }
  for (const column of [0, 1, 2]) assert.ok(memory.retire(column) !== undefined);
  for (const gauge of gauges) assert.equal(memory.total(gauge), 0);
  assert.ok(memory.counted(0) > 10_000, "the processes worked");
  closeDescriptor(fd);
});
