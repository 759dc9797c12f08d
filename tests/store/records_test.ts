/** Rows that somebody edited past the store: each is an error that names the row, never a value that surprises. */

import assert from "node:assert/strict";
import { Store } from "../../src/store/store.ts";
import { Folder, refuses } from "./fixtures.ts";

/** SQL that makes a row unfit, and the sentence for it. */
const ROWS: readonly [string, RegExp][] = [
  [
    "UPDATE listeners SET port = 70000 WHERE id = 2",
    /row 2 of table "listeners" has no usable "port".* got 70000/,
  ],
  ["UPDATE listeners SET port = 9007199254740993", /too large to be represented/],
  ["UPDATE listeners SET host = printf('%.*c', 5000, 'x') WHERE id = 1", /"listeners" has no usable "host"/],
  [
    "UPDATE listeners SET proxy_protocol = 2",
    /no usable "proxy_protocol": wanted a whole number from 0 to 1, got 2/,
  ],
  [
    "UPDATE listeners SET trusted_proxies = '[1]'",
    /no usable "trusted_proxies": wanted a JSON array of texts/,
  ],
  ["UPDATE listeners SET trusted_proxies = '{'", /no usable "trusted_proxies": wanted JSON, got "\{"/],
  [
    "UPDATE routes SET mode = 'l5' WHERE id = 1",
    /row 1 of table "routes" has no usable "mode": wanted one of l4, l7/,
  ],
  ["UPDATE routes SET mode = 'l4' WHERE id = 2", /route 2 has mode l4, which doesn't fit its "l7_options"/],
  ["DELETE FROM l7_options WHERE route_id = 2", /route 2 has mode l7, which doesn't fit its "l7_options"/],
  ["UPDATE routes SET backend_port = 0", /"routes" has no usable "backend_port"/],
  ["UPDATE routes SET listener_id = 77 WHERE id = 1", /"routes" names listener 77, which doesn't exist/],
  ["UPDATE routes SET idle_timeout_ms = -1 WHERE id = 1", /"routes" has no usable "idle_timeout_ms"/],
  [
    "UPDATE l7_options SET backend_protocol = 'h3'",
    /no usable "backend_protocol": wanted one of h2c, h2, http\/1\.1/,
  ],
  ["UPDATE l7_options SET acme_backend_host = NULL", /no usable "acme_backend_host"/],
  ["UPDATE firewall_rules SET action = 'Block' WHERE id = 1", /"firewall_rules" has no usable "action"/],
  ["UPDATE firewall_rules SET type = '' WHERE id = 1", /"firewall_rules" has no usable "type"/],
];

Deno.test("Store.readConfiguration() refuses a row that doesn't fit", async (t) => {
  for (const [sql, message] of ROWS) {
    await t.step(sql, () => {
      using folder = new Folder();
      folder.seed();
      folder.edit(`PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; ${sql}`);
      refuses("database", message, () => {
        using store = Store.open(folder.database);
        store.readConfiguration();
      });
    });
  }
});

Deno.test("The tables refuse most of what doesn't fit by themselves", () => {
  using folder = new Folder();
  folder.seed();
  let refused = 0;
  for (const [sql] of ROWS) {
    try {
      folder.edit(`BEGIN; ${sql}; ROLLBACK`);
    } catch (error) {
      assert.match(String(error), /constraint failed/);
      refused++;
    }
  }
  assert.ok(refused >= ROWS.length - 5, `${refused} of ${ROWS.length}`);
});
