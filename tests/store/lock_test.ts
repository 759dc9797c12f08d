/**
 * One process per database: a second one is refused with a sentence that names the first, and the end of the
 * first, however violent, frees the database at once.
 */

import assert from "node:assert/strict";
import { Store } from "../../src/store/store.ts";
import { endChild, Folder, linesOf, refuses, startChild } from "./fixtures.ts";

Deno.test("Store.open() is refused while another process has the database, and works after its kill -9", async () => {
  using folder = new Folder();
  folder.seed();
  const child = startChild(["hold", folder.database]);
  const lines = linesOf(child);
  assert.equal((await lines.next()).value, "open false");
  const before = await Deno.readFile(folder.database);
  refuses("busy", new RegExp(`in use by another mc-proxy \\(process ${child.pid}\\)`), () => {
    Store.open(folder.database);
  });
  assert.deepEqual(await Deno.readFile(folder.database), before);
  await endChild(child, lines);
  assert.ok(folder.names().includes("mc-proxy.db.lock"), "the lock file of a killed process stays");
  using store = Store.open(folder.database);
  assert.equal(store.revision, 1);
});

Deno.test("Store.open() in a second process is refused while this one has the database", async () => {
  using folder = new Folder();
  using store = Store.open(folder.database);
  const child = startChild(["hold", folder.database]);
  const lines = linesOf(child);
  const line = (await lines.next()).value ?? "";
  await endChild(child, lines);
  assert.match(
    line,
    new RegExp(`^busy database ".*" is in use by another mc-proxy \\(process ${Deno.pid}\\)`),
  );
  assert.equal(store.isNew, true);
});

/** The holder removes the lock file: whoever opened it just before must not take the nameless file for the lock. */
Deno.test("DatabaseLock.take() lets one process in at a time, however often they come and go", async () => {
  using folder = new Folder();
  const children = [1, 2, 3].map(() => startChild(["contend", folder.database]));
  const violations = await Promise.all(children.map(async (child) => {
    const lines = linesOf(child);
    const line = (await lines.next()).value;
    await endChild(child, lines);
    return line;
  }));
  assert.deepEqual(violations, ["0", "0", "0"]);
});

Deno.test("Store.open() takes a lock file that was left behind, whatever stands in it", () => {
  using folder = new Folder();
  for (const text of ["", "1\n", "x".repeat(1000)]) {
    Deno.writeTextFileSync(`${folder.database}.lock`, text);
    using _store = Store.open(folder.database);
    assert.equal(Deno.readTextFileSync(`${folder.database}.lock`), `${Deno.pid}\n`);
  }
  assert.deepEqual(folder.names(), []);
});

Deno.test("Store.open() names the lock file, not its folder alone, when another user's process left it", () => {
  using folder = new Folder();
  // What every user is refused, root too.
  Deno.mkdirSync(`${folder.database}.lock`);
  refuses(
    "database",
    /can't be locked because ".*\.lock" can't be written; give that file and its folder to/,
    () => {
      Store.open(folder.database);
    },
  );
});
