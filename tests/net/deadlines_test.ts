import assert from "node:assert/strict";
import fc from "fast-check";
import { Deadline, Deadlines } from "../../src/net/deadlines.ts";
import { ManualTime } from "./manual_time.ts";

/** How late a deadline may fire. */
const TICK_MS = 50;
/** Once round the wheel. */
const ROUND_MS = 1_024 * TICK_MS;
const DELAYS_MS = [0, 1, 49, 50, 51, 1_000, 5_000, ROUND_MS - 1, ROUND_MS, ROUND_MS + 51, 3_600_000];

/** Deadlines on a clock that the test moves; `firings` tells when which one fired. */
class Wheel implements Disposable {
  readonly time = new ManualTime();
  readonly deadlines = new Deadlines(() => this.time.nowMs);
  readonly firings: [name: number, nowMs: number][] = [];

  deadline(name: number, onDue: () => void = () => {}): Deadline {
    return new Deadline((nowMs) => {
      this.firings.push([name, nowMs]);
      onDue();
    });
  }

  [Symbol.dispose](): void {
    this.deadlines[Symbol.dispose]();
    this.time[Symbol.dispose]();
  }
}

function assertInTime(firedMs: number, dueMs: number): void {
  assert.ok(firedMs >= dueMs && firedMs <= dueMs + TICK_MS, `due at ${dueMs}, fired at ${firedMs}`);
}

Deno.test("Deadlines.set() fires once, never early and at most a tick late, whatever the delay", () => {
  for (const startMs of [0, 7, 49.5, 1_000_000]) {
    for (const delayMs of DELAYS_MS) {
      using wheel = new Wheel();
      wheel.time.nowMs = startMs;
      wheel.deadlines.set(wheel.deadline(1), delayMs);
      wheel.time.advance(delayMs + 3 * TICK_MS);
      assert.equal(wheel.firings.length, 1, `${delayMs} ms`);
      assertInTime(wheel.firings[0]![1], startMs + delayMs);
      assert.equal(wheel.time.waiting, 0, "the timer ends with the last deadline");
    }
  }
});

Deno.test("Deadlines.set() and clear() in any order let each deadline fire in its own time or not at all", () => {
  const step = fc.record({
    afterMs: fc.nat(400),
    name: fc.nat(5),
    delayMs: fc.option(fc.oneof(fc.nat(300), fc.nat(2 * ROUND_MS)), { nil: undefined }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    using wheel = new Wheel();
    const dues = new Map<number, number>();
    const all = Array.from({ length: 6 }, (_, name) =>
      wheel.deadline(name, () => {
        assertInTime(wheel.time.nowMs, dues.get(name)!);
        assert.ok(dues.delete(name), "fired twice");
      }));
    const assertNoneIsLate = () => {
      for (const dueMs of dues.values()) assert.ok(wheel.time.nowMs <= dueMs + TICK_MS, `${dueMs} is late`);
    };
    for (const { afterMs, name, delayMs } of steps) {
      wheel.time.advance(afterMs);
      assertNoneIsLate();
      if (delayMs === undefined) {
        wheel.deadlines.clear(all[name]!);
        dues.delete(name);
      } else {
        wheel.deadlines.set(all[name]!, delayMs);
        dues.set(name, wheel.time.nowMs + delayMs);
      }
    }
    wheel.time.advance(2 * ROUND_MS + 2 * TICK_MS);
    assert.equal(dues.size, 0);
    assert.equal(wheel.time.waiting, 0);
  }));
});

Deno.test("Deadlines.set() counts from the time that it is told", () => {
  using wheel = new Wheel();
  wheel.time.nowMs = 10_000;
  wheel.deadlines.set(wheel.deadline(1), 500, 9_800);
  wheel.time.advance(1_000);
  assertInTime(wheel.firings[0]![1], 10_300);
});

Deno.test("Deadline.onDue() may clear, move and set what is due in the same tick", () => {
  using wheel = new Wheel();
  const { deadlines } = wheel;
  const [cleared, moved, late] = [wheel.deadline(2), wheel.deadline(3), wheel.deadline(4)];
  const self = wheel.deadline(5, () => wheel.firings.length < 20 && deadlines.set(self, 100));
  const first = wheel.deadline(1, () => {
    deadlines.clear(cleared);
    deadlines.set(moved, 200);
    deadlines.set(late, 0);
  });
  for (const deadline of [first, cleared, moved, self]) deadlines.set(deadline, 60);
  wheel.time.advance(60 + TICK_MS);
  assert.deepEqual(wheel.firings.map(([name]) => name).filter((name) => name !== 4), [1, 5]);
  wheel.time.advance(TICK_MS);
  assert.ok(wheel.firings.some(([name]) => name === 4), "set to now while the slot is walked");
  wheel.time.advance(5_000);
  const movedAt = wheel.firings.filter(([name]) => name === 3);
  assert.equal(movedAt.length, 1);
  assertInTime(movedAt[0]![1], wheel.firings[0]![1] + 200);
  assert.ok(!wheel.firings.some(([name]) => name === 2));
  assert.equal(wheel.firings.filter(([name]) => name === 5).length, 20 - 3);
  assert.equal(wheel.time.waiting, 0);
});

Deno.test("Deadlines fires everything that a stall has made due, and nothing else", () => {
  for (const stallMs of [TICK_MS, 3_000, ROUND_MS - 1, ROUND_MS, ROUND_MS + TICK_MS, 10 * ROUND_MS]) {
    using wheel = new Wheel();
    const delaysMs = Array.from({ length: 600 }, (_, index) => index * 997);
    for (const [index, delayMs] of delaysMs.entries()) wheel.deadlines.set(wheel.deadline(index), delayMs);
    wheel.time.stall(stallMs);
    const fired = wheel.firings.map(([name]) => name).toSorted((left, right) => left - right);
    const due = delaysMs.flatMap((delayMs, index) => delayMs <= stallMs ? [index] : []);
    assert.deepEqual(fired, due, `stalled for ${stallMs} ms`);
    wheel.firings.length = 0;
    wheel.time.advance(600 * 997);
    assert.equal(wheel.firings.length, delaysMs.length - due.length);
    for (const [name, firedMs] of wheel.firings) assertInTime(firedMs, delaysMs[name]!);
  }
});

Deno.test("Deadlines.coarseMs is never more than a tick behind while something is set", () => {
  using wheel = new Wheel();
  wheel.time.nowMs = 500_000;
  wheel.deadlines.set(wheel.deadline(1), 10_000);
  for (let step = 0; step < 1_000; step++) {
    wheel.time.advance(7);
    const behindMs = wheel.time.nowMs - wheel.deadlines.coarseMs;
    assert.ok(behindMs >= 0 && behindMs <= TICK_MS, `${behindMs} ms`);
  }
});

Deno.test("Deadlines.signal() is one for a tick and a delay, never early and at most two ticks late", () => {
  using wheel = new Wheel();
  const { deadlines, time } = wheel;
  const asked: { signal: AbortSignal; dueMs: number }[] = [];
  let abortedMs = 0;
  for (let step = 0; step < 400; step++) {
    const delayMs = step % 2 === 0 ? 300 : 1_000;
    const signal = deadlines.signal(delayMs);
    const dueMs = time.nowMs + delayMs;
    asked.push({ signal, dueMs });
    signal.addEventListener("abort", () => {
      abortedMs++;
      assert.ok(time.nowMs >= dueMs && time.nowMs <= dueMs + 2 * TICK_MS, `${dueMs} at ${time.nowMs}`);
    });
    time.advance(5);
  }
  assert.equal(asked[0]!.signal, asked[2]!.signal);
  assert.notEqual(asked[0]!.signal, asked[1]!.signal, "another delay");
  assert.notEqual(asked[0]!.signal, asked[20]!.signal, "another tick");
  const count = new Set(asked.map(({ signal }) => signal)).size;
  assert.ok(count <= 2 * (400 * 5 / TICK_MS + 1), `${count} signals`);
  time.advance(1_200);
  assert.equal(abortedMs, asked.length);
});

Deno.test("Deadlines fires nothing after its disposal", () => {
  using wheel = new Wheel();
  wheel.deadlines.set(wheel.deadline(1), 100);
  wheel.deadlines[Symbol.dispose]();
  wheel.time.advance(10_000);
  assert.deepEqual(wheel.firings, []);
});

Deno.test("Deadlines works on the process's own clock and timers", async () => {
  using deadlines = new Deadlines();
  const startedMs = performance.now();
  const firedMs = await new Promise<number>((resolve) => deadlines.set(new Deadline(resolve), 120));
  assert.ok(firedMs - startedMs >= 120, `${firedMs - startedMs} ms`);
  const signal = deadlines.signal(60);
  const askedMs = performance.now();
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert.ok(performance.now() - askedMs >= 60);
});
