import assert from "node:assert/strict";
import { inSlices } from "../../src/net/in_slices.ts";
import type { Sliced } from "../../src/state/slices.ts";

function* counted(slices: number, steps: string[]): Sliced<number> {
  for (let slice = 1; slice <= slices; slice++) {
    steps.push(`slice ${slice}`);
    yield 1;
  }
  return slices;
}

Deno.test("inSlices() lets timers run between two slices, and gives back the result", async () => {
  const steps: string[] = [];
  const timer = setInterval(() => steps.push("timer"), 0);
  assert.equal(await inSlices(counted(5, steps)), 5);
  clearInterval(timer);
  assert.equal(steps[0], "slice 1");
  assert.ok(steps.indexOf("timer") < steps.indexOf("slice 5"), steps.join());
  await assert.rejects(
    inSlices((function* (): Sliced<number> {
      yield 1;
      throw new RangeError("no");
    })()),
    RangeError,
  );
});

Deno.test("inSlices() takes slices together that are shorter than a turn may be", async () => {
  const steps: string[] = [];
  const timer = setInterval(() => steps.push("timer"), 0);
  assert.equal(await inSlices(counted(5, steps), Infinity), 5);
  clearInterval(timer);
  assert.ok(!steps.includes("timer"), steps.join());
});
