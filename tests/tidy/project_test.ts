import assert from "node:assert/strict";

import project from "../../deno.json" with { type: "json" };
import { filesUnder, readText } from "./source_files.ts";

const README = readText("README.md");
const TASKS: readonly string[] = Object.keys(project.tasks);

Deno.test("every task has a description and every import a fixed version", () => {
  for (const [name, task] of Object.entries(project.tasks)) {
    assert.ok(task.description.length > 5 && task.command.length > 0, name);
  }
  for (const [name, specifier] of Object.entries(project.imports)) {
    assert.match(specifier, /^(npm|jsr):(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/, name);
  }
});

Deno.test("README.md's table of tasks names every task and no other", () => {
  const rows = [...README.matchAll(/^\| `deno task ([\w:-]+)[^`]*` +\|/gm)].map((match) => match[1]);
  assert.deepEqual(rows.toSorted(), TASKS.toSorted());
});

Deno.test("ARCHITECTURE.md stays under 200 lines and ends with its lexicon", () => {
  const lines = readText("ARCHITECTURE.md").trimEnd().split("\n");
  assert.ok(lines.length < 200, `${lines.length} lines`);
  assert.equal(lines.findLast((line) => line.startsWith("## ")), "## Lexicon");
  assert.ok(!lines.slice(lines.indexOf("## Lexicon")).some((line) => line.startsWith("- **")), "a decision");
});

Deno.test("no document or script names a task that doesn't exist", () => {
  const paths = filesUnder("").filter((path) => /(\.md|\.example|\.ci\/run)$/.test(path));
  const found = paths.flatMap((path) =>
    [...readText(path).matchAll(/\bdeno(?:@[\d.]+)? task (?:--quiet )?([\w:-]+)/g)]
      .filter((match) => !TASKS.includes(match[1] ?? "")).map((match) => `${path}: ${match[0]}`)
  );
  assert.deepEqual(found, []);
});

Deno.test("one version of Deno is named everywhere", () => {
  const version = /^deno_version=(\S+)$/m.exec(readText(".ci/run"))?.[1];
  assert.ok(version !== undefined);
  const paths = filesUnder("").filter((path) => /(\.md|\.ts|\.ci\/run|Dockerfile|\.sh)$/.test(path));
  const named = paths.flatMap((path) =>
    [...readText(path).matchAll(/\bdeno@(\d[\d.]*\d)/g)].map((match) => `${path}: ${match[1]}`)
  );
  assert.ok(named.length > 2);
  assert.deepEqual(named.filter((line) => !line.endsWith(`: ${version}`)), []);
});

Deno.test("src has one level of folders, which the doc:lint task reads", () => {
  assert.deepEqual(
    filesUnder("src").filter((path) => path.endsWith(".ts") && path.split("/").length > 3),
    [],
  );
});

Deno.test("one environment variable asks for the long versions of tests", () => {
  const name = /^(\w+)=1 /.exec(project.tasks.full.command)?.[1];
  assert.ok(name !== undefined);
  const others = filesUnder("tests").filter((path) => path.endsWith(".ts")).flatMap((path) =>
    [...readText(path).matchAll(/\bMC_PROXY_TEST\w*/g)].filter(([found]) => found !== name)
      .map(([found]) => `${path}: ${found}, not ${name}`)
  );
  assert.deepEqual(others.filter((line) => !line.startsWith("tests/tidy/project_test.ts")), []);
});
