/**
 * `kill -9` at random moments: during a seed it leaves no database or revision 1 whole, during a stream of commits
 * it leaves the last revision that was answered or the one after it. The next start works without help.
 *
 * 20 rounds, or 200 with `MC_PROXY_TEST_FULL`.
 */

import assert from "node:assert/strict";
import { Store } from "../../src/store/store.ts";
import { endChild, Folder, isFull, linesOf, rules, startChild, TIME_MS } from "./fixtures.ts";

const ROUNDS = isFull() ? 200 : 20;
const DELAY_MAX_MS = 40;

Deno.test(`Store.seed() leaves nothing or revision 1 after kill -9, ${ROUNDS} times`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    using folder = new Folder();
    const child = startChild(["seed", folder.path]);
    const lines = linesOf(child);
    const first = (await lines.next()).value;
    assert.equal(first, "0");
    await delay(Math.random() * DELAY_MAX_MS);
    const seeded = Number((await endChild(child, lines)).at(-1) ?? first);
    for (const number of [seeded, seeded + 1]) {
      using store = Store.open(`${folder.path}/${number}.db`);
      if (store.isNew) {
        assert.equal(number, seeded + 1, "what was seeded is gone");
        store.seed({ listeners: [], firewallRules: rules(1, 200) }, TIME_MS);
      }
      assert.equal(store.revision, 1);
      assert.equal(store.readConfiguration().firewallRules.length, 200);
      assert.deepEqual(store.readConfigurationAt(1), store.readConfiguration());
    }
    assert.deepEqual(folder.names().filter((name) => name.includes(".new")), []);
  }
});

Deno.test(`Store.commit() leaves revision n or n+1 after kill -9, ${ROUNDS} times`, async () => {
  using folder = new Folder();
  folder.seed({ listeners: [], firewallRules: rules(1, 1) });
  for (let round = 0; round < ROUNDS; round++) {
    const child = startChild(["commit", folder.database]);
    const lines = linesOf(child);
    const first = (await lines.next()).value;
    await delay(Math.random() * DELAY_MAX_MS);
    const answered = Number((await endChild(child, lines)).at(-1) ?? first);
    using store = Store.open(folder.database);
    assert.ok([answered, answered + 1].includes(store.revision), `${store.revision} after ${answered}`);
    assert.deepEqual(store.readConfiguration().firewallRules, rules(1, store.revision));
    assert.deepEqual(store.readConfigurationAt(store.revision), store.readConfiguration());
  }
});

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
