import assert from "node:assert/strict";
import { Store } from "../../src/store/store.ts";
import { takeSnapshot } from "../../src/store/snapshot.ts";
import { ProxyError } from "../../src/errors.ts";
import { print } from "../support/print.ts";
import { CONFIGURATION, endChild, Folder, isFull, linesOf, rules, startChild } from "./fixtures.ts";

const NOW = new Date(Date.UTC(2026, 10, 22, 15, 33, 11, 42));

Deno.test("takeSnapshot() makes a database that opens with the same content, and names it by the UTC time", async () => {
  using folder = new Folder();
  folder.seed();
  const result = await takeSnapshot(folder.database, undefined, NOW);
  assert.equal(result.path, `${folder.path}/backups/mc-proxy-20261122T153311Z.db`);
  assert.equal(result.revision, 1);
  const info = await Deno.stat(result.path);
  assert.equal(result.sizeBytes, info.size);
  assert.equal((info.mode ?? 0) & 0o777, 0o600);
  assert.deepEqual(folder.names("backups"), ["mc-proxy-20261122T153311Z.db"]);
  using store = Store.open(result.path);
  assert.deepEqual(store.readConfiguration(), CONFIGURATION);
  assert.deepEqual(store.readNextIds(), { listener: 3, route: 5, firewallRule: 4 });
});

Deno.test("takeSnapshot() leaves nothing beside a database that nobody serves, and what the server needs beside one", async () => {
  using folder = new Folder();
  folder.seed();
  const names = folder.names();
  await takeSnapshot(folder.database, undefined, NOW);
  assert.deepEqual(folder.names(), [...names, "backups"].sort());
  using store = Store.open(folder.database);
  const served = folder.names();
  const { path } = await takeSnapshot(folder.database, `${folder.path}/backups/second.db`, NOW);
  assert.deepEqual(folder.names(), served);
  assert.equal(store.revision, 1);
  assert.ok(path.endsWith("second.db"));
});

Deno.test("takeSnapshot() by root makes a folder that belongs to whom the database's folder belongs to", async () => {
  if (Deno.uid() !== 0) return print("skipped: no folder is given away, for that takes root");
  using folder = new Folder();
  folder.seed();
  const [uid, gid] = [12_345, 12_346];
  await Deno.chown(folder.path, uid, gid);
  await takeSnapshot(folder.database, undefined, NOW);
  const made = await Deno.stat(`${folder.path}/backups`);
  assert.deepEqual([made.uid, made.gid, (made.mode ?? 0) & 0o777], [uid, gid, 0o700]);
  // One that is there keeps its owner.
  await Deno.chown(`${folder.path}/backups`, 0, 0);
  await takeSnapshot(folder.database, undefined, new Date(NOW.getTime() + 1_000));
  assert.equal((await Deno.stat(`${folder.path}/backups`)).uid, 0);
});

Deno.test("takeSnapshot() takes any file name as it is", async () => {
  using folder = new Folder();
  folder.seed();
  for (const name of ['it\'s "one"; -- ü.db', "a?b=c#d.db", "file:x.db"]) {
    const path = `${folder.path}/${name}`;
    assert.equal((await takeSnapshot(folder.database, path, NOW)).path, path);
    assert.ok(folder.names().includes(name));
  }
});

Deno.test("takeSnapshot() refuses, leaves no file behind and overwrites nothing", async (t) => {
  const rows: readonly [string, (folder: Folder) => string | undefined, RegExp][] = [
    ["an existing file", (folder) => {
      Deno.writeTextFileSync(`${folder.path}/taken`, "mine");
      return `${folder.path}/taken`;
    }, /"\/.*taken" exists, and a snapshot never overwrites/],
    ["a link to nothing", (folder) => {
      Deno.symlinkSync(`${folder.path}/elsewhere`, `${folder.path}/taken`);
      return `${folder.path}/taken`;
    }, /"\/.*taken" exists, and a snapshot never overwrites/],
    ["the database itself", (folder) => folder.database, /exists, and a snapshot never overwrites/],
    [
      "a missing folder",
      (folder) => `${folder.path}/missing/x.db`,
      /missing" is missing or can't be written/,
    ],
    ["a missing database", (folder) => {
      Deno.removeSync(folder.database);
      return `${folder.path}/x.db`;
    }, /doesn't exist; the server makes it at its first start/],
    ["a missing database, which gets no folder for its copies", (folder) => {
      Deno.removeSync(folder.database);
      return undefined;
    }, /doesn't exist; the server makes it at its first start/],
    ["another program's database", (folder) => {
      folder.edit("PRAGMA application_id = 7");
      return `${folder.path}/x.db`;
    }, /is not a database of mc-proxy/],
    ["a newer schema", (folder) => {
      folder.edit("PRAGMA user_version = 99");
      return `${folder.path}/x.db`;
    }, /has schema 99/],
    ["a corrupt database", (folder) => {
      const bytes = Deno.readFileSync(folder.database);
      bytes.fill(0xff, 8_192, 8_300);
      Deno.writeFileSync(folder.database, bytes);
      return `${folder.path}/x.db`;
    }, /snapshot ".*x\.db" can't be made: database ".*mc-proxy\.db" is corrupt/],
    ["a copy that breaks the tables' own checks", (folder) => {
      folder.edit("PRAGMA ignore_check_constraints = ON; UPDATE firewall_rules SET action = 'burn'");
      return `${folder.path}/x.db`;
    }, /is corrupt \(CHECK constraint failed in firewall_rules\)/],
  ];
  for (const [name, prepare, message] of rows) {
    await t.step(name, async () => {
      using folder = new Folder();
      folder.seed();
      const outPath = prepare(folder);
      const before = visible(folder);
      await assert.rejects(takeSnapshot(folder.database, outPath, NOW), (error) => {
        assert.ok(error instanceof ProxyError && error.code === "database", String(error));
        assert.match(error.message, message);
        return true;
      });
      assert.deepEqual(visible(folder), before);
    });
  }
});

Deno.test("takeSnapshot() twice in one second refuses the second and keeps the first", async () => {
  using folder = new Folder();
  folder.seed();
  const first = await takeSnapshot(folder.database, undefined, NOW);
  const bytes = await Deno.readFile(first.path);
  await assert.rejects(takeSnapshot(folder.database, undefined, NOW), /never overwrites/);
  assert.deepEqual(await Deno.readFile(first.path), bytes);
});

Deno.test("takeSnapshot() of two at once into one name: one wins, whole, and one is refused", async () => {
  using folder = new Folder();
  folder.seed();
  const path = `${folder.path}/x.db`;
  const both = await Promise.allSettled([1, 2].map(() => takeSnapshot(folder.database, path, NOW)));
  assert.deepEqual(both.map((one) => one.status).sort(), ["fulfilled", "rejected"]);
  using store = Store.open(path);
  assert.deepEqual(store.readConfiguration(), CONFIGURATION);
});

/** The child makes revision `n` hold exactly `n` rules, so a copy that mixes two moments can't agree with itself. */
Deno.test("takeSnapshot() is whole and of one moment while another process writes", async () => {
  using folder = new Folder();
  folder.seed({ listeners: [], firewallRules: rules(1, 1) });
  const child = startChild(["commit", folder.database]);
  const lines = linesOf(child);
  let last = 0;
  for (let round = 0; round < (isFull() ? 200 : 20); round++) {
    const committed = Number((await lines.next()).value);
    const { path, revision } = await takeSnapshot(folder.database, `${folder.path}/${round}.db`, NOW);
    assert.ok(revision >= committed && revision > last, `${revision} after ${committed} and ${last}`);
    last = committed;
    using store = Store.open(path);
    assert.equal(store.revision, revision);
    assert.deepEqual(store.readConfiguration().firewallRules, rules(1, revision));
    assert.deepEqual(store.readConfigurationAt(revision), store.readConfiguration());
  }
  const answered = Number((await endChild(child, lines)).at(-1) ?? last);
  using store = Store.open(folder.database);
  assert.ok(store.revision >= answered, "the snapshots disturbed the writer");
});

/** Names and contents, without what SQLite keeps beside a database that is read. */
function visible(folder: Folder): unknown {
  return folder.names().filter((name) => !/-(wal|shm)$/.test(name)).map((name) => {
    const path = `${folder.path}/${name}`;
    return [name, Deno.lstatSync(path).isFile ? Deno.readFileSync(path) : undefined];
  });
}
