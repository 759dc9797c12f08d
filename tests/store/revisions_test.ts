import assert from "node:assert/strict";
import fc from "fast-check";
import { diffConfiguration } from "../../src/state/diff.ts";
import type { Configuration } from "../../src/state/model.ts";
import { openReadOnly } from "../../src/store/open.ts";
import { readConfiguration } from "../../src/store/records.ts";
import { REVISIONS_KEPT, SNAPSHOT_INTERVAL } from "../../src/store/revisions.ts";
import { Store } from "../../src/store/store.ts";
import { CONFIGURATION, Folder, refuses, rules, TIME_MS } from "./fixtures.ts";

const EMPTY: Configuration = { listeners: [], firewallRules: [] };

Deno.test("Store.commit() writes rows and revision, and a reopened store reads both", () => {
  using folder = new Folder();
  folder.seed();
  const after = withRules(12);
  {
    using store = Store.open(folder.database);
    assert.equal(commit(store, after), 2);
    assert.deepEqual(store.readConfiguration(), after);
  }
  using store = Store.open(folder.database);
  assert.equal(store.revision, 2);
  assert.deepEqual(store.readConfiguration(), after);
  assert.deepEqual(store.readRevision(2), {
    number: 2,
    parent: 1,
    timeMs: TIME_MS,
    author: "uid:1000",
    kind: "rpc",
    changes: diffConfiguration(CONFIGURATION, after),
  });
  assert.deepEqual(store.readConfigurationAt(1), CONFIGURATION);
  assert.equal(store.readRevision(3), undefined);
  assert.equal(store.readConfigurationAt(3), undefined);
  assert.equal(store.readConfigurationAt(0), undefined);
});

Deno.test("Store.commit() refuses another revision than the current one, and changes nothing", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  commit(store, withRules(1));
  const changes = diffConfiguration(CONFIGURATION, EMPTY);
  for (const expectedRevision of [0, 1, 3]) {
    refuses(
      "conflict",
      new RegExp(`revision ${expectedRevision} was expected, and 2 is the current one`),
      () => {
        store.commit({ expectedRevision, author: "local", kind: "rpc", changes, timeMs: TIME_MS });
      },
    );
  }
  assert.equal(store.revision, 2);
  assert.deepEqual(store.readConfiguration(), withRules(1));
});

Deno.test("Store.commit() changes nothing when its last statement fails", () => {
  using folder = new Folder();
  folder.seed();
  folder.edit("CREATE TRIGGER deny BEFORE INSERT ON revisions BEGIN SELECT RAISE(ABORT, 'denied'); END");
  {
    using store = Store.open(folder.database);
    refuses("database", /denied/, () => commit(store, withRules(5)));
    assert.deepEqual(store.readConfiguration(), CONFIGURATION);
  }
  using store = Store.open(folder.database);
  assert.equal(store.revision, 1);
  assert.deepEqual(store.readConfiguration(), CONFIGURATION);
});

Deno.test("Store.commit() refuses to write over rows that another program changed", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  store.readConfiguration();
  folder.edit("DELETE FROM firewall_rules WHERE id = 2");
  refuses("database", /was changed by another program meanwhile/, () => commit(store, EMPTY));
  assert.equal(store.revision, 1);
});

Deno.test("Store.commit() turns any configuration into any other", () => {
  using folder = new Folder();
  folder.seed(EMPTY);
  {
    using store = Store.open(folder.database);
    fc.assert(
      fc.property(anyConfiguration(), (configuration) => {
        const revision = commit(store, configuration);
        assert.deepEqual(store.readConfigurationAt(revision), configuration);
        // What the store remembers proves nothing about the rows.
        using reader = openReadOnly(folder.database);
        assert.deepEqual(readConfiguration(reader), configuration);
      }),
      { numRuns: 30 },
    );
  }
});

Deno.test("Store keeps the last 10,000 revisions, and each of them can be read", () => {
  using folder = new Folder();
  folder.seed(EMPTY);
  // The first 10,000 revisions stand in for a long life: they all say "nothing changed".
  folder.edit(
    "WITH RECURSIVE n(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM n WHERE number < 10000) " +
      "INSERT INTO revisions SELECT number, number - 1, 0, 'local', 'rpc', '[]', " +
      `iif(number % 100 = 0, '{"listeners":[],"firewallRules":[]}', NULL) FROM n`,
  );
  using store = Store.open(folder.database);
  for (let number = 10_001; number <= 10_250; number++) {
    const after = { listeners: [], firewallRules: rules(number, 2) };
    assert.equal(commit(store, after), number);
  }
  assert.equal(REVISIONS_KEPT, 10_000);
  const oldest = 10_250 - REVISIONS_KEPT + 1;
  const base = oldest - oldest % SNAPSHOT_INTERVAL;
  assert.equal(store.readRevision(base - 1), undefined);
  assert.equal(store.readConfigurationAt(base - 1), undefined);
  for (const number of [base, oldest, 5_000, 9_999, 10_000]) {
    assert.deepEqual(store.readConfigurationAt(number), EMPTY);
  }
  for (const number of [10_001, 10_099, 10_100, 10_101, 10_200, 10_250]) {
    assert.deepEqual(store.readConfigurationAt(number)?.firewallRules, rules(number, 2));
  }
});

Deno.test("Store.readConfigurationAt() refuses revisions that somebody edited", async (t) => {
  const rows: readonly [string, RegExp][] = [
    [
      `UPDATE revisions SET changes = '[{"kind":"other"}]'`,
      /row 2 of table "revisions" has no usable "changes"/,
    ],
    ["UPDATE revisions SET changes = '[null]'", /has no usable "changes"/],
    [
      `UPDATE revisions SET changes = '[{"kind":"rule_put"}]'`,
      /the changes up to revision 2 don't fit revision 0/,
    ],
    [
      "UPDATE revisions SET changes = (SELECT changes FROM revisions WHERE number = 1)",
      /the changes up to revision 2/,
    ],
    ["UPDATE revisions SET kind = 'seeds'", /has no usable "kind"/],
  ];
  for (const [sql, message] of rows) {
    await t.step(sql, () => {
      using folder = new Folder();
      folder.seed();
      using store = Store.open(folder.database);
      commit(store, withRules(2));
      folder.edit(`PRAGMA ignore_check_constraints = ON; ${sql} WHERE number = 2`);
      refuses("database", message, () => store.readConfigurationAt(2));
    });
  }
});

function withRules(count: number): Configuration {
  return { ...CONFIGURATION, firewallRules: [...CONFIGURATION.firewallRules, ...rules(10, count)] };
}

function commit(store: Store, after: Configuration): number {
  const changes = diffConfiguration(store.readConfiguration(), after);
  return store.commit({
    expectedRevision: store.revision,
    author: "uid:1000",
    kind: "rpc",
    changes,
    timeMs: TIME_MS,
  });
}

/** Parts of the fixture with some of their members changed: what one id holds differs from run to run. */
function anyConfiguration(): fc.Arbitrary<Configuration> {
  const limit = fc.integer({ min: 0, max: 3 });
  const listeners = CONFIGURATION.listeners.map((listener) =>
    fc.tuple(limit, fc.subarray([...listener.routes]), limit).map(([maxConnections, routes, routeLimit]) => ({
      ...listener,
      maxConnections,
      routes: routes.map((route) => ({ ...route, maxConnections: routeLimit })),
    }))
  );
  const rulesOf = fc.subarray([...CONFIGURATION.firewallRules, ...rules(10, 5)]);
  return fc.tuple(fc.tuple(...listeners), fc.subarray([0, 1]), rulesOf, fc.string()).map(
    ([all, kept, firewallRules, comment]) => ({
      listeners: all.filter((_, index) => kept.includes(index)),
      firewallRules: firewallRules.map((rule) => ({ ...rule, comment })),
    }),
  );
}

Deno.test("Store.configurationSlices() holds the changes of one revision at a time", () => {
  using folder = new Folder();
  folder.seed();
  using store = Store.open(folder.database);
  const contents = [CONFIGURATION];
  for (let count = 1; count <= 5; count++) commit(store, contents[count] = withRules(count));
  const slices = store.configurationSlices(4);
  let taken = 0;
  for (let step = slices.next();; step = slices.next()) {
    if (step.done === true) {
      assert.deepEqual(step.value, contents[3]);
      break;
    }
    taken++;
    // What is written meanwhile is none of its business.
    commit(store, withRules(5 + taken));
  }
  assert.equal(taken, 4);
});
