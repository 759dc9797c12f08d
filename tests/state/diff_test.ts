import assert from "node:assert/strict";
import fc from "fast-check";
import type { Change } from "../../src/state/change.ts";
import { applyChanges, diffConfiguration, diffSlices, EMPTY_CONFIGURATION } from "../../src/state/diff.ts";
import type { Configuration } from "../../src/state/model.ts";
import { SLICE_UNITS_MAX } from "../../src/state/slices.ts";
import {
  anyConfiguration,
  blockRule,
  l4Route,
  listener,
  orderedConfiguration,
  SAMPLE,
} from "./configurations.ts";

Deno.test("applyChanges() of diffConfiguration() gives the other configuration, also after a trip through JSON", () => {
  fc.assert(fc.property(anyConfiguration, anyConfiguration, (from, to) => {
    const changes: Change[] = JSON.parse(JSON.stringify(diffConfiguration(from, to)));
    assert.deepEqual(applyChanges(from, changes), orderedConfiguration(to));
  }));
});

Deno.test("diffConfiguration() of equal configurations is empty", () => {
  fc.assert(fc.property(anyConfiguration, (configuration) => {
    assert.deepEqual(diffConfiguration(configuration, structuredClone(configuration)), []);
  }));
});

Deno.test("diffConfiguration() says what was there before and removes before it adds", () => {
  const [first, second] = SAMPLE.listeners;
  assert(first !== undefined && second !== undefined);
  const [git, wildcard, www] = first.routes;
  assert(git !== undefined && wildcard !== undefined && www !== undefined);
  const { routes: _, ...settings } = first;
  const renamed = { ...git, hostname: "*.example.org" };
  const to: Configuration = {
    listeners: [{ ...first, maxConnections: 9, routes: [renamed, www, l4Route(9, "new.example.org")] }],
    firewallRules: [SAMPLE.firewallRules[0] as never, blockRule(4, "country", "US")],
  };
  const { routes: secondRoutes, ...secondSettings } = second;
  assert.deepEqual(diffConfiguration(SAMPLE, to), [
    { kind: "route_removed", listenerId: 2, route: secondRoutes[0] },
    { kind: "route_removed", listenerId: 2, route: secondRoutes[1] },
    { kind: "listener_removed", listener: secondSettings },
    { kind: "route_removed", listenerId: 1, route: wildcard },
    { kind: "rule_removed", rule: SAMPLE.firewallRules[1] },
    { kind: "rule_removed", rule: SAMPLE.firewallRules[2] },
    { kind: "listener_put", listener: { ...settings, maxConnections: 9 }, previous: settings },
    { kind: "route_put", listenerId: 1, route: renamed, previous: git },
    { kind: "route_put", listenerId: 1, route: l4Route(9, "new.example.org") },
    { kind: "rule_put", rule: blockRule(4, "country", "US") },
  ]);
});

Deno.test("applyChanges() shares every unchanged part", () => {
  const changes: Change[] = [{ kind: "route_put", listenerId: 2, route: l4Route(9, "new.example.org") }];
  const next = applyChanges(SAMPLE, changes);
  assert.equal(next.listeners[0], SAMPLE.listeners[0]);
  assert.equal(next.firewallRules, SAMPLE.firewallRules);
  assert.equal(next.listeners[1]?.routes.length, 3);
});

Deno.test("applyChanges() refuses a change that doesn't fit and changes nothing", async (t) => {
  const git = l4Route(1, "git.example.org");
  const { routes: _, ...settings } = listener(1, "192.0.2.1", []);
  const rows: readonly [string, Change][] = [
    ["adds a rule that is there", { kind: "rule_put", rule: blockRule(1, "ip", "198.51.100.9") }],
    ["replaces another rule than is there", {
      kind: "rule_put",
      rule: blockRule(1, "ip", "198.51.100.9"),
      previous: blockRule(1, "ip", "198.51.100.8"),
    }],
    ["replaces a rule that isn't there", {
      kind: "rule_put",
      rule: blockRule(8, "ip", "198.51.100.9"),
      previous: blockRule(8, "ip", "198.51.100.8"),
    }],
    ["removes a rule that isn't there", { kind: "rule_removed", rule: blockRule(8, "ip", "198.51.100.8") }],
    ["adds a route that is there", { kind: "route_put", listenerId: 1, route: git }],
    ["adds a route to no listener", { kind: "route_put", listenerId: 8, route: l4Route(9, "a.example.org") }],
    ["removes a route that isn't there", { kind: "route_removed", listenerId: 2, route: git }],
    ["adds a listener that is there", { kind: "listener_put", listener: settings }],
    ["removes a listener with routes", { kind: "listener_removed", listener: settings }],
  ];
  const before = structuredClone(SAMPLE);
  for (const [name, change] of rows) {
    await t.step(name, () => {
      assert.throws(() => applyChanges(SAMPLE, [change]), { name: "ProxyError", code: "conflict" });
      assert.deepEqual(SAMPLE, before);
    });
  }
});

Deno.test("diffSlices() does a bounded amount of work between two yields", () => {
  const firewallRules = Array.from({ length: 100_000 }, (_, id) => blockRule(id, "ip", "192.0.2.1"));
  const to = { listeners: [], firewallRules };
  let slices = 0;
  for (const units of diffSlices(EMPTY_CONFIGURATION, to)) {
    slices++;
    assert(units <= SLICE_UNITS_MAX);
  }
  assert(slices >= 100_000 / SLICE_UNITS_MAX);
});
