import assert from "node:assert/strict";
import { BEAT_MS, LoopLag } from "../../src/observe/loop_lag.ts";

Deno.test("LoopLag tells the latest beat of 15 to 30 s, and forgets it then", () => {
  const column = { lagMs: -1 };
  const lag = new LoopLag(column, 5_000);
  let nowMs = 5_000;
  const beat = (lateMs: number): number => {
    lag.beat(nowMs += BEAT_MS + lateMs);
    return column.lagMs;
  };
  assert.equal(beat(0), 0);
  assert.equal(beat(300), 300);
  assert.equal(beat(50), 300);
  assert.equal(beat(2_000), 2_000);
  // A timer that makes up for the last one's delay isn't late.
  assert.equal(beat(-700), 2_000);
  const told = Array.from({ length: 30 }, () => beat(0));
  assert.ok(told.slice(0, 14).every((ms) => ms === 2_000));
  assert.equal(told.at(-1), 0);
});
