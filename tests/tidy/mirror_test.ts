import assert from "node:assert/strict";

import { type Module, readModules } from "./source_files.ts";
import { TESTED_ELSEWHERE } from "./tested_elsewhere.ts";

const SOURCES = new Map(readModules("src").map((module) => [module.path, module]));
const TESTS = new Map(readModules("tests").map((module) => [module.path, module]));

/** Where the tests of a source file live: `tests/wire/` for `src/wire/client_hello.ts`. */
function folderOf(path: string): string {
  return path.replace(/^src\//, "tests/").replace(/[^/]+$/, "");
}

/** Whether a test file of the mirroring folder imports the source file, by itself or through its neighbours in `src/`. */
function hasOwnTest(path: string): boolean {
  const folder = folderOf(path);
  const sources = path.replace(/[^/]+$/, "");
  for (const test of TESTS.values()) {
    const isNeighbour = test.path.replace(/[^/]+$/, "") === folder && test.path.endsWith("_test.ts");
    if (isNeighbour && reaches(test, path, (through) => through.startsWith(sources))) return true;
  }
  return false;
}

/** Whether a test imports a source file, by itself or through the modules that `isWay` lets through. */
function reaches(test: Module, path: string, isWay: (through: string) => boolean = () => true): boolean {
  const seen = new Set<string>([test.path]);
  for (const visited of seen) {
    if (visited !== test.path && !isWay(visited)) continue;
    for (const next of (TESTS.get(visited) ?? SOURCES.get(visited))?.imports ?? []) seen.add(next);
  }
  return seen.has(path);
}

/** What is wrong with a line of the list; `undefined` when it is needed and true. */
function listFault(path: string, test: string): string | undefined {
  if (!SOURCES.has(path)) return "doesn't exist";
  if (hasOwnTest(path)) return "has a test of its own now and needs no line";
  const module = TESTS.get(test);
  if (module === undefined) return `there is no ${test}`;
  // A scenario starts the program and imports nothing of it.
  return test.startsWith("tests/e2e/") || reaches(module, path) ? undefined : `${test} doesn't reach it`;
}

Deno.test("every file of src that holds code is reached by a test of its own folder or is listed", () => {
  const untested = [...SOURCES.values()].filter(({ path, hasCode }) =>
    hasCode && !hasOwnTest(path) && TESTED_ELSEWHERE[path] === undefined
  );
  assert.deepEqual(untested.map(({ path }) => path), []);
});

Deno.test("every line of the list is needed and names a test that reaches the file", () => {
  const found = Object.entries(TESTED_ELSEWHERE).flatMap(([path, [test]]) => {
    const fault = listFault(path, test);
    return fault === undefined ? [] : [`${path}: ${fault}`];
  });
  assert.deepEqual(found, []);
});

Deno.test("listFault() fires when a line is wrong", () => {
  assert.equal(listFault("src/wire/nothing.ts", "tests/wire/server_name_test.ts"), "doesn't exist");
  assert.equal(
    listFault("src/wire/server_name.ts", "tests/wire/server_name_test.ts"),
    "has a test of its own now and needs no line",
  );
});
