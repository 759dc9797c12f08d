import assert from "node:assert/strict";

import { CallTurns } from "../../src/admin/call_turns.ts";

Deno.test("CallTurns lets each client begin in its turn, with the loop's own work between", async () => {
  const turns = new CallTurns();
  const [many, few] = [{}, {}];
  const begun: string[] = [];
  const call = async (client: object, name: string): Promise<void> => {
    await turns.take(client);
    begun.push(name);
  };
  const calls = [
    ...["a1", "a2", "a3", "a4"].map((name) => call(many, name)),
    ...["b1", "b2"].map((name) => call(few, name)),
  ];
  await Promise.resolve();
  assert.deepEqual(begun, ["a1"]);
  let isTimerSeen = false;
  setTimeout(() => isTimerSeen = true);
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(isTimerSeen && begun.length < 7);
  await Promise.all(calls);
  assert.deepEqual(begun, ["a1", "a2", "b1", "a3", "b2", "a4"]);
  await new Promise((resolve) => setTimeout(resolve, 1));
  await call(few, "c1");
  assert.equal(begun.at(-1), "c1");
  await new Promise((resolve) => setTimeout(resolve, 1));
});
