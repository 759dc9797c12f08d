import assert from "node:assert/strict";
import type { Configuration, ConfigurationSeed } from "../../src/state/model.ts";
import { configurationOfSeed, seedDiffers } from "../../src/store/seed.ts";
import { CONFIGURATION } from "./fixtures.ts";

const SEED: ConfigurationSeed = CONFIGURATION;
const [FIRST, SECOND] = CONFIGURATION.listeners;
const RULES = CONFIGURATION.firewallRules;

Deno.test("configurationOfSeed() gives ids in the file's order, each kind for itself", () => {
  const withoutIds = JSON.parse(
    JSON.stringify(CONFIGURATION, (name, value) => name === "id" ? undefined : value),
  );
  assert.deepEqual(configurationOfSeed(withoutIds), CONFIGURATION);
});

Deno.test("seedDiffers() compares what the file says", async (t) => {
  assert.ok(FIRST !== undefined && SECOND !== undefined);
  const rows: readonly [string, Configuration, boolean][] = [
    ["the same", CONFIGURATION, false],
    ["other ids", { ...CONFIGURATION, listeners: [{ ...FIRST, id: 70 }, SECOND] }, false],
    ["another order of listeners", { ...CONFIGURATION, listeners: [SECOND, FIRST] }, false],
    ["another order of rules", { ...CONFIGURATION, firewallRules: RULES.toReversed() }, false],
    [
      "another order of routes and of members",
      { ...CONFIGURATION, listeners: [reversed({ ...FIRST, routes: FIRST.routes.toReversed() }), SECOND] },
      false,
    ],
    [
      "another order of trusted proxies",
      {
        ...CONFIGURATION,
        listeners: [FIRST, { ...SECOND, trustedProxies: SECOND.trustedProxies.toReversed() }],
      },
      false,
    ],
    ["one listener less", { ...CONFIGURATION, listeners: [FIRST] }, true],
    ["one route less", { ...CONFIGURATION, listeners: [{ ...FIRST, routes: [] }, SECOND] }, true],
    ["another limit", { ...CONFIGURATION, listeners: [{ ...FIRST, maxConnections: 1 }, SECOND] }, true],
    ["one rule less", { ...CONFIGURATION, firewallRules: RULES.slice(1) }, true],
    ["a rule twice", { ...CONFIGURATION, firewallRules: [...RULES, ...RULES.slice(1)] }, true],
    ["nothing", { listeners: [], firewallRules: [] }, true],
  ];
  for (const [name, configuration, expected] of rows) {
    await t.step(name, () => assert.equal(seedDiffers(SEED, configuration), expected));
  }
});

function reversed<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).reverse()) as T;
}
