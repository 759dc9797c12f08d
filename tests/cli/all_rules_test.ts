import assert from "node:assert/strict";

import type { AdminClient } from "../../src/admin/client.ts";
import { allRules } from "../../src/cli/all_rules.ts";

/** A server with rules 1 to `count`, whose revision goes on after each of its first answers. */
function serverOf(count: number, changes: number): AdminClient["api"] {
  let revision = 1;
  return {
    getFirewallRules({ limit, after = 0 }: { limit: number; after?: number }) {
      const rules = Array.from({ length: Math.min(limit, count - after) }, (_, index) => ({
        id: after + index + 1,
      }));
      const answer = { rules, revision };
      if (revision <= changes) revision++;
      return Promise.resolve(answer);
    },
  } as unknown as AdminClient["api"];
}

Deno.test("allRules() reads every page, all of one revision", async () => {
  for (const count of [0, 1, 20_000, 20_001, 45_000]) {
    const { rules } = await allRules(serverOf(count, 0));
    assert.deepEqual(rules.map(({ id }) => id), Array.from({ length: count }, (_, index) => index + 1));
  }
  const { rules, revision } = await allRules(serverOf(45_000, 2));
  assert.deepEqual([rules.length, revision], [45_000, 3]);
  await assert.rejects(allRules(serverOf(45_000, 100)), { code: "unavailable" });
});
