import assert from "node:assert/strict";

import { filesUnder, parseModule } from "./source_files.ts";

Deno.test("parseModule() finds a relative import when it is static, dynamic or a re-export, and no type", () => {
  const source = `
    import { a } from "./a.ts";
    import type { B } from "../wire/b.ts";
    export type { C } from "../wire/c.ts";
    import { type G, g } from "./g.ts";
    import "./c.ts";
    export * from "./d.ts";
    export { e } from "../net/e.ts";
    const f = await import("./f.ts");
    import net from "node:net";
  `;
  assert.deepEqual(parseModule("src/state/x.ts", source).imports, [
    "src/state/a.ts",
    "src/state/g.ts",
    "src/state/c.ts",
    "src/state/d.ts",
    "src/net/e.ts",
    "src/state/f.ts",
  ]);
});

Deno.test("parseModule() says whether code is left when a file holds types, re-exports or values", () => {
  const table: [string, boolean][] = [
    [`import type { B } from "./b.ts"; export interface A { b: B } export type C = A;`, false],
    [`export * from "./b.ts"; export { c } from "./c.ts";`, false],
    [`export const a = 1;`, true],
    [`export function a(): void {}`, true],
    [`export class A {}`, true],
    [`start();`, true],
  ];
  for (const [source, expected] of table) {
    assert.equal(parseModule("src/wire/a.ts", source).hasCode, expected, source);
  }
});

Deno.test("parseModule() collects the names of tests when they stand in any form", () => {
  const source = `
    Deno.test("a", () => {});
    Deno.test({ name: "b", fn() {} });
    for (const row of rows) Deno.test(\`c \${row}\`, () => {});
    Deno.test(name, () => {});
    other.test("d", () => {});
  `;
  assert.deepEqual(parseModule("tests/a_test.ts", source).testNames, ["a", "b", "c X", undefined]);
});

Deno.test("filesUnder() finds this file and nothing generated or foreign", () => {
  const files = filesUnder("");
  assert.ok(files.includes("tests/tidy/source_files_test.ts"));
  assert.ok(files.includes("deno.json"));
  assert.ok(!files.some((path) => /^(\.git|srv|dist|src\/admin\/gen)\//.test(path)));
});
