import assert from "node:assert/strict";
import { BufferBudget, type BufferHolder } from "../../src/l7/buffer_budget.ts";

function holders(budget: BufferBudget, count: number) {
  const shed: number[] = [];
  const all = Array.from({ length: count }, (_, index): BufferHolder => ({
    countedBytes: 0,
    shed: () => void shed.push(index),
  }));
  for (const holder of all) budget.add(holder);
  return { all, shed };
}

Deno.test("BufferBudget sums what its holders hold, and forgets those who leave", () => {
  const budget = new BufferBudget(1_000);
  const { all: [first, second], shed } = holders(budget, 2);
  budget.count(first!, 500);
  budget.count(second!, 200);
  assert.deepEqual([budget.bytes, budget.isTight], [700, false]);
  budget.count(second!, 251);
  assert.deepEqual([budget.bytes, budget.isTight], [751, true]);
  budget.delete(first!);
  budget.delete(first!);
  assert.deepEqual([budget.bytes, budget.isTight], [251, false]);
  budget.count(first!, 100);
  assert.deepEqual([budget.bytes, shed], [251, []], "who has left isn't counted");
});

Deno.test("BufferBudget ends the largest holders, and no more than relieve it", () => {
  const budget = new BufferBudget(1_000);
  const { all, shed } = holders(budget, 6);
  for (const [index, bytes] of [50, 300, 100, 290, 200, 60].entries()) budget.count(all[index]!, bytes);
  assert.deepEqual([budget.bytes, shed], [1_000, []]);
  budget.count(all[5]!, 61);
  assert.deepEqual([budget.bytes, shed], [701, [1]]);
  budget.count(all[0]!, 2_000);
  assert.deepEqual([budget.bytes, shed], [651, [1, 0]]);
});
