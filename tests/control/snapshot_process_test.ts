import assert from "node:assert/strict";

import { SnapshotQueue } from "../../src/control/snapshot_process.ts";

Deno.test("SnapshotQueue takes one at a time, and none for a caller who has gone meanwhile", async () => {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const queue = new SnapshotQueue(async (_config, path = "") => {
    begun.push(path);
    await new Promise<void>((resolve) => ends.push(resolve));
    return { path, sizeBytes: 1, revision: 1 };
  });
  const stays = new AbortController();
  const goes = new AbortController();
  const first = queue.take("x.toml", "first", stays.signal);
  const second = assert.rejects(queue.take("x.toml", "second", goes.signal), { name: "AbortError" });
  const third = queue.take("x.toml", "third", stays.signal);
  await Promise.resolve();
  assert.deepEqual(begun, ["first"]);
  goes.abort();
  ends[0]!();
  assert.equal((await first).path, "first");
  await second;
  while (ends.length < 2) await Promise.resolve();
  ends[1]!();
  assert.equal((await third).path, "third");
  assert.deepEqual(begun, ["first", "third"]);
});
