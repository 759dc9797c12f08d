import assert from "node:assert/strict";
import { Flusher } from "../../src/l7/flusher.ts";

Deno.test("Flusher flushes what one turn has marked, and what that marks, behind the turn", async () => {
  const flusher = new Flusher();
  const order: string[] = [];
  const leaf = { flush: () => void order.push("leaf") };
  const branch = {
    flush: () => {
      order.push("branch");
      flusher.add(leaf);
    },
  };
  flusher.add(branch);
  flusher.add({ flush: () => void order.push("other") });
  assert.deepEqual(order, []);
  await Promise.resolve();
  assert.deepEqual(order, ["branch", "other", "leaf"]);
  flusher.add(leaf);
  await Promise.resolve();
  assert.deepEqual(order, ["branch", "other", "leaf", "leaf"]);
});
