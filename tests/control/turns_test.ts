import assert from "node:assert/strict";

import { Turns } from "../../src/control/turns.ts";

Deno.test("Turns.run() does one piece of work after the other, also after one that throws", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.run(async () => {
    await gate.promise;
    done.push("first");
    throw new Error("first");
  });
  const second = turns.run(() => done.push("second"));
  const third = turns.run(() => done.length);
  assert.deepEqual(done, []);
  gate.resolve();
  await assert.rejects(first, /first/);
  assert.equal(await second, 2);
  assert.equal(await third, 2);
  assert.deepEqual(done, ["first", "second"]);
});
