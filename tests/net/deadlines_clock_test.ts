import assert from "node:assert/strict";
import { Deadline, Deadlines } from "../../src/net/deadlines.ts";
import { ManualTime } from "./manual_time.ts";

/** How late a deadline may fire. */
const TICK_MS = 50;
/** Once round the wheel. */
const ROUND_MS = 1_024 * TICK_MS;

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

Deno.test("Deadlines.set() counts from the time that it is told", () => {
  using wheel = new Wheel();
  wheel.time.nowMs = 10_000;
  wheel.deadlines.set(wheel.deadline(1), 500, 9_800);
  wheel.deadlines.set(wheel.deadline(2), 500, 9_000);
  wheel.time.advance(1_000);
  assert.deepEqual(wheel.firings.map(([name]) => name), [2, 1]);
  assertInTime(wheel.firings[0]![1], 10_000);
  assertInTime(wheel.firings[1]![1], 10_300);
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
