import assert from "node:assert/strict";
import { Registry } from "../../src/proxy/registry.ts";

Deno.test("whenEmpty() says at once that nothing is open", async () => {
  assert.equal(await new Registry().whenEmpty(60_000), 0);
});

Deno.test("whenEmpty() ends with the last connection", async () => {
  const registry = new Registry<string>();
  for (const name of ["a", "b", "c"]) registry.add(name);
  const empty = registry.whenEmpty(60_000);
  for (const name of registry) registry.delete(name);
  assert.equal(registry.size, 0);
  assert.equal(await empty, 0);
});

Deno.test("whenEmpty() gives up in time and says how many are left, and may be asked again", async () => {
  const registry = new Registry<string>();
  registry.add("a");
  registry.add("b");
  assert.equal(await registry.whenEmpty(1), 2);
  registry.delete("a");
  const empty = registry.whenEmpty(60_000);
  registry.delete("b");
  assert.equal(await empty, 0);
});
