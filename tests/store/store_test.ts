import assert from "node:assert/strict";
import { diffConfiguration } from "../../src/state/diff.ts";
import { Store } from "../../src/store/store.ts";
import { CONFIGURATION, Folder, refuses, rules, TIME_MS } from "./fixtures.ts";

Deno.test("Store.seed() makes revision 1 with exactly the configuration, and a reopened store reads it", () => {
  using folder = new Folder();
  {
    using store = Store.open(folder.database);
    assert.equal(store.isNew, true);
    store.seed(CONFIGURATION, TIME_MS);
    assert.equal(store.isNew, false);
    assert.deepEqual(store.readConfiguration(), CONFIGURATION);
  }
  assert.deepEqual(folder.names(), ["mc-proxy.db"]);
  using store = Store.open(folder.database);
  assert.equal(store.isNew, false);
  assert.equal(store.revision, 1);
  assert.deepEqual(store.readConfiguration(), CONFIGURATION);
  const { changes: _, ...revision } = store.readRevision(1) ?? assert.fail();
  assert.deepEqual(revision, { number: 1, parent: 0, timeMs: TIME_MS, author: "system", kind: "seed" });
  refuses("internal", /already seeded/, () => store.seed(CONFIGURATION, TIME_MS));
});

Deno.test("Store.open() leaves no file behind when the start fails before the seed", () => {
  using folder = new Folder();
  {
    using store = Store.open(folder.database);
    refuses("internal", /is not open/, () => store.readConfiguration());
    assert.deepEqual(folder.names(), ["mc-proxy.db.lock"]);
  }
  assert.deepEqual(folder.names(), []);
});

Deno.test("Store.seed() leaves no database when the configuration can't be stored", () => {
  using folder = new Folder();
  const [listener] = CONFIGURATION.listeners;
  assert.ok(listener);
  {
    using store = Store.open(folder.database);
    const twice = { listeners: [listener, { ...listener, id: 9, routes: [] }], firewallRules: [] };
    refuses("database", /UNIQUE/, () => store.seed(twice, TIME_MS));
    assert.equal(store.isNew, true);
  }
  assert.deepEqual(folder.names(), []);
});

Deno.test("Store keeps its files from other users", () => {
  using folder = new Folder();
  const modes = () =>
    folder.names().map((name) => (Deno.statSync(`${folder.path}/${name}`).mode ?? 0) & 0o777).join();
  folder.seed();
  Deno.chmodSync(folder.database, 0o644);
  using _store = Store.open(folder.database);
  assert.deepEqual(folder.names(), ["", ".lock", "-shm", "-wal"].map((end) => `mc-proxy.db${end}`).sort());
  assert.equal(modes(), "384,384,384,384");
});

Deno.test("Store.readNextIds() never gives the id of a removed row again", () => {
  using folder = new Folder();
  folder.seed();
  const next = { listener: 3, route: 5, firewallRule: 4 };
  {
    using store = Store.open(folder.database);
    assert.deepEqual(store.readNextIds(), next);
    const changes = diffConfiguration(CONFIGURATION, { listeners: [], firewallRules: [] });
    store.commit({ expectedRevision: 1, author: "local", kind: "rpc", changes, timeMs: TIME_MS });
    assert.deepEqual(store.readConfiguration(), { listeners: [], firewallRules: [] });
  }
  using store = Store.open(folder.database);
  assert.deepEqual(store.readConfiguration(), { listeners: [], firewallRules: [] });
  assert.deepEqual(store.readNextIds(), next);
});

Deno.test("Store.open() meets one lock under two names of one database", () => {
  using folder = new Folder();
  folder.seed();
  Deno.symlinkSync(folder.database, `${folder.path}/other.db`);
  using store = Store.open(`${folder.path}/other.db`);
  assert.equal(store.path, Deno.realPathSync(folder.database));
  refuses("busy", /in use by another mc-proxy/, () => Store.open(folder.database));
});

Deno.test("Store keeps 10,000 rules", () => {
  using folder = new Folder();
  const configuration = { listeners: [], firewallRules: rules(1, 10_000) };
  folder.seed(configuration);
  using store = Store.open(folder.database);
  assert.deepEqual(store.readConfiguration(), configuration);
});

Deno.test("Store.commit() writes nothing into a file that was removed or replaced under it", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  const changes = diffConfiguration(CONFIGURATION, { listeners: [], firewallRules: [] });
  const commit = { expectedRevision: 1, author: "local", kind: "rpc", changes, timeMs: TIME_MS } as const;
  const aside = `${folder.path}/aside`;
  Deno.renameSync(folder.database, aside);
  refuses("database", /removed or replaced/, () => store.commit(commit));
  Deno.copyFileSync(aside, folder.database);
  refuses("database", /removed or replaced/, () => store.commit(commit));
  assert.deepEqual(store.readConfiguration(), CONFIGURATION);
  Deno.renameSync(aside, folder.database);
  assert.equal(store.commit(commit), 2);
});
