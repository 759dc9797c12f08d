import assert from "node:assert/strict";

import project from "../../deno.json" with { type: "json" };
import { readModules } from "./source_files.ts";

const MODULES = readModules("tests");
const TEST_FILES = MODULES.filter((module) => module.path.endsWith("_test.ts"));

/** What is wrong with a test's name; `undefined` when it says what does what. */
function nameFault(name: string | undefined): string | undefined {
  if (name === undefined) return "is not written where the test is";
  if (name.split(" ").length < 3) return "is not a sentence";
  if (/[.!]$/.test(name)) return "ends with a full stop";
  if (/^(should|test|tests|it|works|can)\b/i.test(name) || / should /.test(name)) {
    return "names no subject that does something";
  }
  return undefined;
}

/** Whether a path is matched by one of the quoted patterns or plain folders of a `deno test` command. */
function isRunBy(command: string, path: string): boolean {
  const words = command.split(" ").map((word) => word.replaceAll("'", ""));
  const matches = (pattern: string): boolean => {
    if (!pattern.includes("*")) return path.startsWith(`${pattern}/`);
    const source = pattern.replaceAll(".", "\\.").replaceAll("**/", "\0").replaceAll("*", "[^/]*").replaceAll(
      "\0",
      "(.*/)?",
    );
    return new RegExp(`^${source}$`).test(path);
  };
  const ignored = words.filter((word) => word.startsWith("--ignore=")).some((word) => matches(word.slice(9)));
  return !ignored && words.slice(2).filter((word) => !word.startsWith("-")).some(matches);
}

Deno.test("nameFault() fires when a name is no sentence about a subject", () => {
  for (const name of [undefined, "parse", "parse works", "should parse a name", "parse() reads a name."]) {
    assert.notEqual(nameFault(name), undefined, String(name));
  }
  assert.equal(nameFault("parse() reads a name when there is one"), undefined);
});

Deno.test("every test's name is a sentence, and unique in its file", () => {
  const found = TEST_FILES.flatMap(({ path, testNames }) => [
    ...testNames.flatMap((name) =>
      nameFault(name) === undefined ? [] : [`${path}: "${name}" ${nameFault(name)}`]
    ),
    ...testNames.filter((name, index) => testNames.indexOf(name) !== index).map((name) =>
      `${path}: "${name}" twice`
    ),
  ]);
  assert.deepEqual(found, []);
});

Deno.test("every test stands in a file that is named after it", () => {
  const elsewhere = MODULES.filter((module) => module.testNames.length > 0 && !TEST_FILES.includes(module));
  assert.deepEqual(elsewhere.map((module) => module.path), []);
});

Deno.test("isRunBy() reads a command as Deno does", () => {
  const command =
    "deno test --ignore='tests/**/*_io_test.ts' 'tests/*_test.ts' 'tests/wire/**/*_test.ts' tests/tidy";
  const check = (path: string, expected: boolean): void =>
    assert.equal(isRunBy(command, path), expected, path);
  check("tests/a_test.ts", true);
  check("tests/wire/a_test.ts", true);
  check("tests/wire/deep/a_test.ts", true);
  check("tests/tidy/a_test.ts", true);
  check("tests/wire/a_io_test.ts", false);
  check("tests/net/a_test.ts", false);
  check("tests/wire/helper.ts", false);
});

Deno.test("every test file is run by exactly one task of deno task test", () => {
  const kinds = Object.entries(project.tasks).filter(([name]) =>
    name.startsWith("test:") && name !== "test:doc"
  );
  assert.equal(kinds.length, 4);
  const found = TEST_FILES.flatMap(({ path }) => {
    const tasks = kinds.filter(([, task]) => isRunBy(task.command, path)).map(([name]) => name);
    return tasks.length === 1 ? [] : [`${path}: run by ${tasks.join(" and ") || "no task"}`];
  });
  assert.deepEqual(found, []);
});

Deno.test("the task test:pure has no permission", () => {
  assert.doesNotMatch(project.tasks["test:pure"].command, /--allow|-A\b|-P\b|--permission/);
});
