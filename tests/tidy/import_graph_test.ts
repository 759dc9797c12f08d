import assert from "node:assert/strict";

import { readModules } from "./source_files.ts";

/** The way round a cycle, its first module repeated at the end; `undefined` when there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): string[] | undefined => {
    const at = trail.indexOf(path);
    if (at >= 0) return [...trail.slice(at), path];
    if (done.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of graph.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

Deno.test("findCycle() finds a cycle when there is one", () => {
  const check = (edges: Record<string, string[]>, expected: string[] | undefined): void =>
    assert.deepEqual(findCycle(new Map(Object.entries(edges))), expected);
  check({ a: ["b", "c"], b: ["c"], c: [] }, undefined);
  check({ a: ["b"], b: ["c"], c: ["b"] }, ["b", "c", "b"]);
  check({ a: ["a"] }, ["a", "a"]);
  check({ a: ["elsewhere"] }, undefined);
});

Deno.test("src has no import cycle at run time", () => {
  const graph = new Map(readModules("src").map((module) => [module.path, module.imports]));
  assert.ok(graph.size > 5);
  assert.equal(findCycle(graph)?.join(" → "), undefined);
});
