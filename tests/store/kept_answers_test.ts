import assert from "node:assert/strict";

import { ANSWER_KEPT_MS, ANSWERS_BYTES_KEPT, ANSWERS_KEPT } from "../../src/store/kept_answers.ts";
import { Store } from "../../src/store/store.ts";
import { Folder, TIME_MS } from "./fixtures.ts";

/** Keeps answers for the keys 1, 2, … of one author. */
function fill(folder: Folder, count: number): void {
  folder.edit(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO kept_answers (author, idempotency_key, call_digest, answer, time_ms)
     SELECT 'me', i, 'd', x'01', ${TIME_MS} FROM n`,
  );
}

Deno.test("Store.readAnswer() gives an author's first answer for a day and no longer", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  const kept = { author: "me", key: "k", callDigest: "d", answer: Uint8Array.of(1, 2), timeMs: TIME_MS };
  store.keepAnswer(kept);
  const found = store.readAnswer("me", "k", TIME_MS + ANSWER_KEPT_MS - 1);
  assert.deepEqual([found?.callDigest, [...found?.answer ?? []]], ["d", [1, 2]]);
  assert.equal(store.readAnswer("me", "k", TIME_MS + ANSWER_KEPT_MS), undefined);
  assert.equal(store.readAnswer("you", "k", TIME_MS), undefined);
});

Deno.test("Store.keepAnswer() lets go of the oldest answers when there are too many", () => {
  using folder = new Folder();
  folder.seed();
  fill(folder, ANSWERS_KEPT);
  using store = Store.open(folder.database);
  store.keepAnswer({ author: "me", key: "new", callDigest: "d", answer: Uint8Array.of(1), timeMs: TIME_MS });
  assert.equal(store.readAnswer("me", "1", TIME_MS), undefined);
  assert.ok(store.readAnswer("me", "2", TIME_MS) !== undefined);
  assert.ok(store.readAnswer("me", "new", TIME_MS) !== undefined);
});

Deno.test("Store.keepAnswer() counts an answer that is written again once", () => {
  using folder = new Folder();
  folder.seed();
  fill(folder, ANSWERS_KEPT - 1);
  using store = Store.open(folder.database);
  const kept = { author: "me", key: "new", callDigest: "d", timeMs: TIME_MS };
  for (const byte of [1, 2]) store.keepAnswer({ ...kept, answer: Uint8Array.of(byte) });
  assert.deepEqual(store.readAnswer("me", "new", TIME_MS)?.answer, Uint8Array.of(2));
  assert.ok(store.readAnswer("me", "1", TIME_MS) !== undefined);
  store.keepAnswer({ ...kept, key: "newer", answer: Uint8Array.of(1) });
  assert.equal(store.readAnswer("me", "1", TIME_MS), undefined);
});

Deno.test("Store.keepAnswer() lets go of the oldest answers when they are too long together", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  const keep = (key: string, bytes: number) =>
    store.keepAnswer({ author: "me", key, callDigest: "d", answer: new Uint8Array(bytes), timeMs: TIME_MS });
  const kept = () =>
    ["a", "b", "c", "d"].filter((key) => store.readAnswer("me", key, TIME_MS) !== undefined).join("");
  keep("a", 1);
  keep("b", ANSWERS_BYTES_KEPT / 2);
  keep("c", ANSWERS_BYTES_KEPT / 2);
  assert.equal(kept(), "bc");
  keep("d", ANSWERS_BYTES_KEPT + 1);
  assert.equal(kept(), "d");
});

Deno.test("Store.commit() writes what waits and the answer with the revision, or nothing of it", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  const commit = {
    expectedRevision: 1,
    timeMs: TIME_MS,
    author: "me",
    kind: "rpc",
    changes: [],
    pending: { revision: 2, revertTo: 1, deadlineMs: TIME_MS + 1 },
    answer: { author: "me", key: "k", callDigest: "d", answer: Uint8Array.of(1), timeMs: TIME_MS },
  } as const;
  assert.throws(() => store.commit({ ...commit, expectedRevision: 9 }), /1 is the current one/);
  assert.throws(() => store.commit({ ...commit, pending: { ...commit.pending, revertTo: 2 } }));
  assert.deepEqual([store.revision, store.readPending(), store.readAnswer("me", "k", TIME_MS)], [
    1,
    undefined,
    undefined,
  ]);
  store.commit(commit);
  assert.deepEqual(store.readPending(), commit.pending);
  assert.equal(store.readAnswer("me", "k", TIME_MS)?.callDigest, "d");
  store.commit({ ...commit, expectedRevision: 2, pending: "none" });
  assert.equal(store.readPending(), undefined);
});
