import assert from "node:assert/strict";
import { RestartDelay } from "../../src/control/restart_delay.ts";

Deno.test("advance() gives nothing, then 100 ms doubling to 2 s", () => {
  const delay = new RestartDelay(() => 0);
  const delays = Array.from({ length: 8 }, () => delay.advance());
  assert.deepEqual(delays, [0, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
});

Deno.test("advance() forgets after 60 s without a death, counted from the restart", () => {
  let nowMs = 5_000;
  const delay = new RestartDelay(() => nowMs);
  assert.deepEqual([delay.advance(), delay.advance(), delay.advance()], [0, 100, 200]);
  nowMs += 200 + 59_999;
  assert.equal(delay.advance(), 400);
  nowMs += 400 + 60_000;
  assert.equal(delay.advance(), 0);
});

Deno.test("next() restarts once, and disposal takes it back", async () => {
  const delay = new RestartDelay(() => 0);
  await new Promise<void>((resolve) => delay.next(resolve));
  delay.next(() => assert.fail("taken back"));
  delay[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 150));
});
