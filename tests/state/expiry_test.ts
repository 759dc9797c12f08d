import assert from "node:assert/strict";
import { withoutExpired } from "../../src/state/expiry.ts";
import { blockRule, SAMPLE } from "./configurations.ts";

Deno.test("withoutExpired() leaves out the rules whose time has come, and no other", () => {
  const firewallRules = [
    blockRule(1, "ip", "192.0.2.1"),
    blockRule(2, "ip", "192.0.2.2", { expiresAtMs: 1_000 }),
    blockRule(3, "ip", "192.0.2.3", { expiresAtMs: 1_001 }),
  ];
  const configuration = { ...SAMPLE, firewallRules };
  assert.equal(withoutExpired(configuration, 999), configuration);
  const rest = withoutExpired(configuration, 1_000);
  assert.deepEqual(rest.firewallRules.map(({ id }) => id), [1, 3]);
  assert.equal(rest.listeners, configuration.listeners);
});
