import assert from "node:assert/strict";

import { NamedTurns, Turns } from "../../src/control/turns.ts";

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

Deno.test("NamedTurns.run() lets work of one name wait, and forgets the name afterwards", async () => {
  const turns = new NamedTurns();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.run("a", async () => {
    await gate.promise;
    done.push("first");
    throw new Error("first");
  });
  const second = turns.run("a", () => done.push("second"));
  await turns.run("b", () => done.push("other"));
  assert.deepEqual([done, turns.size], [["other"], 1]);
  gate.resolve();
  await assert.rejects(first, /first/);
  await second;
  assert.deepEqual([done, turns.size], [["other", "first", "second"], 0]);
});
