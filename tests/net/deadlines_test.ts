import assert from "node:assert/strict";
import fc from "fast-check";
import { Deadline, Deadlines } from "../../src/net/deadlines.ts";

const TICK_MS = 50;

/** A clock that the test moves, and the interval that turns the wheel. */
class Clock implements Disposable {
  nowMs = 0;
  turns: (() => void) | undefined;
  readonly deadlines: Deadlines;
  readonly #setInterval = globalThis.setInterval;
  readonly #clearInterval = globalThis.clearInterval;

  constructor() {
    globalThis.setInterval = ((turn: () => void, everyMs: number) => {
      assert.equal(everyMs, TICK_MS);
      this.turns = turn;
      return 1;
    }) as never;
    globalThis.clearInterval = () => void (this.turns = undefined);
    this.deadlines = new Deadlines(() => this.nowMs);
  }

  /** Moves the clock on and lets the interval fire once. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.turns?.();
  }

  [Symbol.dispose](): void {
    globalThis.setInterval = this.#setInterval;
    globalThis.clearInterval = this.#clearInterval;
  }
}

Deno.test("a deadline fires never early and in the first turn after its time", () => {
  using clock = new Clock();
  for (const delayMs of [0, 1, 49, 50, 51, 500, 51_199, 51_200, 51_201, 120_000]) {
    const fired: number[] = [];
    const setMs = clock.nowMs;
    clock.deadlines.set(new Deadline((nowMs) => fired.push(nowMs)), delayMs);
    let lastTurnMs = setMs;
    while (fired.length === 0) {
      assert.ok(clock.nowMs - setMs <= delayMs + TICK_MS, `${delayMs} ms: late`);
      lastTurnMs = clock.nowMs;
      clock.pass(7);
    }
    assert.ok(fired[0]! >= setMs + delayMs && lastTurnMs < setMs + delayMs || delayMs === 0);
    for (let turn = 0; turn < 10; turn++) clock.pass(TICK_MS);
    assert.equal(fired.length, 1, "once");
  }
});

Deno.test("any sequence of set, move, clear and held-up loops fires what is due and nothing else", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set"), which: fc.nat(5), ms: fc.integer({ min: 0, max: 120_000 }) }),
    fc.record({ kind: fc.constant("set"), which: fc.nat(5), ms: fc.integer({ min: 0, max: 300 }) }),
    fc.record({ kind: fc.constant("clear"), which: fc.nat(5), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant("pass"), which: fc.constant(0), ms: fc.integer({ min: 0, max: 200 }) }),
    fc.record({ kind: fc.constant("pass"), which: fc.constant(0), ms: fc.integer({ min: 0, max: 200_000 }) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
    using clock = new Clock();
    const due = new Map<number, number>();
    let fired: number[] = [];
    const all = Array.from({ length: 6 }, (_, which) => new Deadline(() => fired.push(which)));
    for (const { kind, which, ms } of steps) {
      if (kind === "set") {
        clock.deadlines.set(all[which]!, ms);
        due.set(which, clock.nowMs + ms);
      } else if (kind === "clear") {
        clock.deadlines.clear(all[which]!);
        due.delete(which);
      } else {
        fired = [];
        clock.pass(ms);
        const expected = [...due].filter(([, dueMs]) => dueMs <= clock.nowMs).map(([each]) => each);
        assert.deepEqual(fired.toSorted(), expected.toSorted());
        for (const each of fired) due.delete(each);
        assert.equal(clock.turns === undefined, due.size === 0, "the timer runs while something waits");
      }
    }
  }));
});

Deno.test("set() counts from the time that it is told, also from one that is long past", () => {
  using clock = new Clock();
  clock.nowMs = 10_000;
  const fired: [name: number, nowMs: number][] = [];
  for (const [name, fromMs] of [[1, 9_800], [2, 9_000]] as const) {
    clock.deadlines.set(new Deadline((nowMs) => fired.push([name, nowMs])), 500, fromMs);
  }
  for (let turn = 0; turn < 20; turn++) clock.pass(TICK_MS);
  assert.deepEqual(fired, [[2, 10_000 + TICK_MS], [1, 10_300]]);
});

Deno.test("coarseMs is the time of the last turn", () => {
  using clock = new Clock();
  clock.nowMs = 500_000;
  clock.deadlines.set(new Deadline(() => {}), 10_000);
  assert.equal(clock.deadlines.coarseMs, 500_000);
  clock.nowMs += TICK_MS / 2;
  assert.equal(clock.deadlines.coarseMs, 500_000);
  clock.pass(TICK_MS / 2);
  assert.equal(clock.deadlines.coarseMs, 500_000 + TICK_MS);
});

Deno.test("a deadline may set, move and clear others, and itself, when it fires", () => {
  using clock = new Clock();
  const fired: string[] = [];
  const { deadlines } = clock;
  const cleared = new Deadline(() => fired.push("cleared"));
  const moved = new Deadline(() => fired.push("moved"));
  const again: Deadline = new Deadline(() => {
    fired.push("again");
    if (fired.length < 4) deadlines.set(again, 0);
  });
  const first = new Deadline(() => {
    fired.push("first");
    deadlines.clear(cleared);
    deadlines.set(moved, 1_000);
    deadlines.set(again, 0);
  });
  for (const deadline of [first, cleared, moved]) deadlines.set(deadline, 10);
  clock.pass(TICK_MS);
  assert.equal(fired[0], "first");
  assert.ok(!fired.includes("cleared") && !fired.includes("moved"));
  for (let turn = 0; turn < 19; turn++) clock.pass(TICK_MS);
  assert.deepEqual(fired, ["first", "again", "again", "again"]);
  clock.pass(TICK_MS);
  clock.pass(TICK_MS);
  assert.deepEqual(fired, ["first", "again", "again", "again", "moved"]);
  assert.equal(clock.turns, undefined);
});

Deno.test("signal() aborts not before its delay and at most two ticks after", () => {
  using clock = new Clock();
  for (let at = 0; at < 130; at += 13) {
    clock.pass(13);
    const startedMs = clock.nowMs;
    const signal = clock.deadlines.signal(200);
    assert.equal(signal, clock.deadlines.signal(200), "shared in one tick");
    assert.notEqual(signal, clock.deadlines.signal(201));
    while (!signal.aborted) {
      assert.ok(clock.nowMs - startedMs <= 200 + 2 * TICK_MS);
      clock.pass(1);
    }
    assert.ok(clock.nowMs - startedMs >= 200);
  }
});

Deno.test("disposal ends the timer and nothing fires any more", async () => {
  const deadlines = new Deadlines();
  deadlines.set(new Deadline(() => assert.fail("disposed of")), 10);
  deadlines[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 120));
});

Deno.test("deadlines go by the process's own clock and timers", async () => {
  using deadlines = new Deadlines();
  const startedMs = performance.now();
  const firedMs = await new Promise<number>((resolve) => deadlines.set(new Deadline(resolve), 120));
  assert.ok(firedMs - startedMs >= 120, `${firedMs - startedMs} ms`);
  const signal = deadlines.signal(60);
  const askedMs = performance.now();
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert.ok(performance.now() - askedMs >= 60);
});
