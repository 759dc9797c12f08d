import assert from "node:assert/strict";

import { findings } from "./doc_lint.ts";

Deno.test("findings() keeps every finding but foreign types in src/admin", () => {
  const missing = (path: string) =>
    `error[missing-jsdoc]: exported symbol is missing\n  --> /p/${path}:1:1\n`;
  const foreign = (path: string) =>
    `error[private-type-ref]: public type 'a' references private type 'B'\n --> /p/${path}:1:1\n`;
  const output = [
    missing("src/admin/a.ts"),
    foreign("src/admin/b.ts"),
    foreign("src/state/c.ts"),
    "error: Found 3 documentation lint errors.",
  ].join("\n");
  const found = findings(`\x1b[0m${output}`);
  assert.equal(found.length, 2);
  assert.match(found[0]!, /src\/admin\/a\.ts/);
  assert.match(found[1]!, /src\/state\/c\.ts/);
  assert.deepEqual(findings(""), []);
});
