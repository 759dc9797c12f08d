import assert from "node:assert/strict";
import { inspectDatabase } from "../../src/store/inspect.ts";
import { lockHolder } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { CONFIGURATION, endChild, Folder, linesOf, refuses, startChild } from "./fixtures.ts";

Deno.test("inspectDatabase() reads a database that nobody serves, and leaves its folder as it was", () => {
  using folder = new Folder();
  folder.seed();
  const before = folder.names();
  assert.deepEqual(inspectDatabase(folder.database), { revision: 1, configuration: CONFIGURATION });
  assert.deepEqual(folder.names(), before);
});

Deno.test("inspectDatabase() reads beside the process that serves it, which goes on writing", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  assert.equal(inspectDatabase(folder.database).revision, 1);
  const before = store.readConfiguration();
  store.commit({
    kind: "rpc",
    expectedRevision: 1,
    author: "a",
    timeMs: 1,
    changes: [{ kind: "rule_removed", rule: before.firewallRules[0]! }],
  });
  assert.equal(inspectDatabase(folder.database).revision, 2);
});

Deno.test("inspectDatabase() finds damage and files of others", async () => {
  using folder = new Folder();
  folder.seed();
  const bytes = await Deno.readFile(folder.database);
  bytes.fill(0xff, 4_096 + 8, 3 * 4_096);
  await Deno.writeFile(folder.database, bytes);
  refuses("database", /corrupt/, () => inspectDatabase(folder.database));
  await Deno.writeTextFile(
    folder.database,
    "this is no database, though it is long enough to be looked at".repeat(20),
  );
  refuses("database", /is not a database/, () => inspectDatabase(folder.database));
});

Deno.test("lockHolder() names the process that holds the lock, and nobody after its kill -9", async () => {
  using folder = new Folder();
  folder.seed();
  assert.equal(await lockHolder(folder.database), undefined);
  const child = startChild(["hold", folder.database]);
  const lines = linesOf(child);
  await lines.next();
  assert.equal(await lockHolder(folder.database), child.pid);
  await endChild(child, lines);
  assert.ok(folder.names().includes("mc-proxy.db.lock"), "the lock file of a killed process stays");
  assert.equal(await lockHolder(folder.database), undefined);
});
