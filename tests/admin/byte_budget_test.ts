import assert from "node:assert/strict";

import { ByteBudget } from "../../src/admin/byte_budget.ts";

Deno.test("ByteBudget lets many hold its bytes together, and one more than that alone", () => {
  const budget = new ByteBudget(10);
  assert.equal(budget.take(6), true);
  assert.equal(budget.take(5), false);
  assert.equal(budget.take(4), true);
  assert.equal(budget.heldBytes, 10);
  budget.release(10);
  assert.equal(budget.take(1_000), true);
  assert.equal(budget.take(1), false);
  budget.release(1_000);
  assert.equal(budget.heldBytes, 0);
});
