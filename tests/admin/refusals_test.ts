import assert from "node:assert/strict";

import { Refusals } from "../../src/admin/refusals.ts";

Deno.test("Refusals tells of ten clients in ten seconds, and how many it left out", () => {
  let nowMs = 0;
  const told: string[] = [];
  const refusals = new Refusals((client, detail, unlogged) => {
    told.push(`${client} ${detail} ${unlogged}`);
  }, () => nowMs);
  for (let index = 0; index < 1_000; index++) refusals.add(`c${index}`, "rogue");
  assert.deepEqual([told.length, told[0], told.at(-1)], [10, "c0 rogue 0", "c9 rogue 0"]);
  nowMs = 9_999;
  refusals.add("late", "rogue");
  assert.equal(told.length, 10);
  nowMs = 10_000;
  refusals.add("next", "rogue");
  refusals.add("other", "rogue");
  assert.deepEqual(told.slice(10), ["next rogue 991", "other rogue 0"]);
});
