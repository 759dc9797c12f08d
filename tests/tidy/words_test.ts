import assert from "node:assert/strict";

import { filesUnder, readText } from "./source_files.ts";

const TEXT = /(\.(ts|md|toml|json|proto|sql|service|timer|example|sh|yml|conf)|\/run|Dockerfile)$/;

/** What unfinished work is called. In pieces, so that this file doesn't find itself. */
const UNFINISHED = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "X{3}", "HA" + "CK"].join("|")})\\b|for ${"now"}\\b`,
);

/** An ignored lint rule names the rule and, after two dashes, the reason. */
const IGNORE = /deno-lint-ignore(-file)?(.*)$/;

/** The lines of the project's texts that `isFault` finds fault with, as `path:line: text`. */
function faults(paths: readonly string[], isFault: (line: string) => boolean): string[] {
  return paths.flatMap((path) =>
    readText(path).split("\n").flatMap((line, index) =>
      isFault(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : []
    )
  );
}

function isBareIgnore(line: string): boolean {
  const found = IGNORE.exec(line);
  return found !== null && line.trimStart().startsWith("//") && !/^ [\w\-/, ]+ -- \S/.test(found[2] ?? "");
}

Deno.test("the unfinished-work pattern fires when a line says so", () => {
  for (const line of ["// TO" + "DO(me): x", "FIX" + "ME", "good enough for " + "now"]) {
    assert.match(line, UNFINISHED);
  }
  for (const line of ["for nowhere", "todo list", "const hackney = 1"]) assert.doesNotMatch(line, UNFINISHED);
});

Deno.test("no file of the project says that work is unfinished", () => {
  const paths = filesUnder("").filter((path) => TEXT.test(path));
  assert.ok(paths.length > 20);
  assert.deepEqual(faults(paths, (line) => UNFINISHED.test(line)), []);
});

Deno.test("isBareIgnore() fires when a lint rule is ignored without its name or reason", () => {
  assert.ok(isBareIgnore("// deno-lint-ignore"));
  assert.ok(isBareIgnore("  // deno-lint-ignore no-explicit-any"));
  assert.ok(isBareIgnore("// deno-lint-ignore-file"));
  assert.ok(isBareIgnore("// deno-lint-ignore -- reason"));
  assert.ok(!isBareIgnore("// deno-lint-ignore no-explicit-any tidy/purity -- the reason"));
});

Deno.test("every ignored lint rule has its name and reason", () => {
  const paths = ["main.ts", ...filesUnder("src"), ...filesUnder("tests")].filter((path) =>
    path.endsWith(".ts")
  );
  assert.deepEqual(faults(paths, isBareIgnore), []);
});

Deno.test("no rule of our own is ignored in src", () => {
  assert.deepEqual(faults(filesUnder("src"), (line) => /deno-lint-ignore.*tidy\//.test(line)), []);
});
