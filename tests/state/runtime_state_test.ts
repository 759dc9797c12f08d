import assert from "node:assert/strict";
import fc from "fast-check";
import { admit, route } from "../../src/policy/decide.ts";
import { type IpAddress, parseIpAddress } from "../../src/policy/ip_address.ts";
import type { Change } from "../../src/state/change.ts";
import { diffConfiguration, EMPTY_CONFIGURATION } from "../../src/state/diff.ts";
import { buildFirewallTables } from "../../src/state/firewall_draft.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Configuration } from "../../src/state/model.ts";
import {
  buildRuntimeState,
  changeRuntimeState,
  type RuntimeState,
  type RuntimeStateContext,
} from "../../src/state/runtime_state.ts";
import { runToEnd, SLICE_UNITS_MAX, type Sliced } from "../../src/state/slices.ts";
import { anyConfiguration, blockRule, l4Route, listener, SAMPLE } from "./configurations.ts";

const CONTEXT: RuntimeStateContext = {
  revision: 1,
  generation: 1,
  limits: DEFAULT_LIMITS,
  blockUnknownCountry: false,
};

function build(configuration: Configuration): RuntimeState {
  return runToEnd(buildRuntimeState(configuration, CONTEXT));
}

function change(previous: RuntimeState, changes: readonly Change[]): RuntimeState {
  return runToEnd(changeRuntimeState(previous, changes, { ...CONTEXT, revision: previous.revision + 1 }));
}

const CLIENTS = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.3.1", "2001:db8::1", "::1"].map((text) =>
  parseIpAddress(text) as IpAddress
);
const NAMES = ["a.example", "b.example", "c.example", "d.example", "x.y.example", "example", undefined];

/** Everything that a state decides about some clients and names. */
function decisions(state: RuntimeState): unknown {
  return {
    admit: CLIENTS.flatMap((client) =>
      ["US", "DE", undefined].map((country) =>
        admit({
          client,
          nowMs: 0,
          country: () => country,
          takeRateToken: () => true,
          overLimit: () => false,
        }, state)
      )
    ),
    route: [1, 2, 3].flatMap((listenerId) =>
      NAMES.map((serverName) => route({ listenerId, serverName, alpn: [], overLimit: () => false }, state))
    ),
    listeners: [...state.listenersById.values()].map(({ id, address, maxConnections, trustedProxies }) => ({
      id,
      address,
      maxConnections,
      trustedProxies: trustedProxies.size,
    })).sort((left, right) => left.id - right.id),
    addresses: [...state.listenersByAddress.keys()].sort(),
    routes: [...state.routesById.entries()].sort(([left], [right]) => left - right),
    rules: state.firewall.addresses.size,
    countries: [...state.firewall.countries].sort(),
  };
}

Deno.test("changeRuntimeState() decides as a state built from nothing does, and leaves the old one alone", () => {
  fc.assert(fc.property(anyConfiguration, anyConfiguration, (from, to) => {
    const previous = build(from);
    const before = decisions(previous);
    const next = change(previous, diffConfiguration(from, to));
    assert.deepEqual(decisions(next), decisions(build(to)));
    assert.deepEqual(decisions(previous), before);
  }));
});

Deno.test("buildRuntimeState() makes every part of a configuration findable", () => {
  const state = build(SAMPLE);
  assert.equal(state.revision, 1);
  assert.deepEqual([...state.listenersByAddress.keys()], ["192.0.2.1:443", "192.0.2.2:443"]);
  assert.equal(state.routesById.get(5)?.hostname, "*");
  const behindBalancer = state.listenersById.get(2);
  assert(behindBalancer !== undefined);
  const trusts = (text: string) =>
    behindBalancer.trustedProxies.lookup(parseIpAddress(text) as IpAddress).length > 0;
  assert.equal(trusts("10.1.2.3"), true);
  assert.equal(trusts("2001:db8::1"), true);
  assert.equal(trusts("2001:db8::2"), false);
  assert.equal(trusts("192.0.2.9"), false);
});

Deno.test("buildRuntimeState() limits rates exactly when a rate is set", () => {
  assert.equal(build(SAMPLE).rateLimited, false);
  const limits = { ...DEFAULT_LIMITS, rateLimit: 1 };
  assert.equal(runToEnd(buildRuntimeState(SAMPLE, { ...CONTEXT, limits })).rateLimited, true);
});

Deno.test("changeRuntimeState() lets two routes swap their hostnames", () => {
  const from = {
    listeners: [listener(1, "192.0.2.1", [l4Route(1, "a"), l4Route(2, "b")])],
    firewallRules: [],
  };
  const to = { listeners: [listener(1, "192.0.2.1", [l4Route(1, "b"), l4Route(2, "a")])], firewallRules: [] };
  const { routeTable } = change(build(from), diffConfiguration(from, to)).listenersById.get(1) ?? {};
  assert.equal(routeTable?.find("a")?.route.id, 2);
  assert.equal(routeTable?.find("b")?.route.id, 1);
});

Deno.test("changeRuntimeState() shares unchanged listeners with the state before", () => {
  const previous = build(SAMPLE);
  const next = change(previous, [{ kind: "route_put", listenerId: 2, route: l4Route(9, "new.example.org") }]);
  assert.equal(next.listenersById.get(1), previous.listenersById.get(1));
  assert.notEqual(next.listenersById.get(2), previous.listenersById.get(2));
});

Deno.test("changeRuntimeState() refuses a change that doesn't fit", async (t) => {
  const { routes: _, ...settings } = listener(1, "192.0.2.1", []);
  const rows: readonly [string, Change][] = [
    ["adds a rule twice", { kind: "rule_put", rule: blockRule(1, "ip", "198.51.100.1") }],
    ["adds a country rule twice", { kind: "rule_put", rule: blockRule(3, "country", "DE") }],
    ["removes a rule that isn't there", { kind: "rule_removed", rule: blockRule(8, "ip", "198.51.100.1") }],
    ["removes a country that isn't there", { kind: "rule_removed", rule: blockRule(8, "country", "DE") }],
    ["adds a rule without meaning", { kind: "rule_put", rule: blockRule(8, "cidr", "nonsense") }],
    ["adds a route twice", { kind: "route_put", listenerId: 1, route: l4Route(1, "git.example.org") }],
    ["adds a route to no listener", { kind: "route_put", listenerId: 8, route: l4Route(9, "a.example.org") }],
    ["removes a route that isn't there", { kind: "route_removed", listenerId: 1, route: l4Route(9, "a") }],
    ["adds a listener twice", { kind: "listener_put", listener: settings }],
    ["removes a listener with routes", { kind: "listener_removed", listener: settings }],
    ["removes a listener that isn't there", { kind: "listener_removed", listener: { ...settings, id: 8 } }],
    ["trusts nonsense", {
      kind: "listener_put",
      listener: { ...settings, id: 8, trustedProxies: ["nonsense"] },
    }],
  ];
  const previous = build(SAMPLE);
  const before = decisions(previous);
  for (const [name, each] of rows) {
    await t.step(name, () => {
      assert.throws(() => change(previous, [each]), { name: "ProxyError", code: "conflict" });
      assert.deepEqual(decisions(previous), before);
    });
  }
});

/** Runs to the end; the most units in one slice, and in all. */
function units(computation: Sliced<unknown>): { largest: number; total: number } {
  let [largest, total] = [0, 0];
  for (const each of computation) {
    largest = Math.max(largest, each);
    total += each;
  }
  return { largest, total };
}

Deno.test("states of 100,000 rules and 10,000 routes are built in small slices, and changed in few", () => {
  const routes = Array.from({ length: 10_000 }, (_, id) => l4Route(id, `${id}.example.org`));
  const firewallRules = Array.from(
    { length: 100_000 },
    (_, id) => blockRule(id, "ip", `10.${id >> 16}.${(id >> 8) & 255}.${id & 255}`),
  );
  const configuration = { listeners: [listener(1, "192.0.2.1", routes)], firewallRules };

  const whole = units(buildRuntimeState(configuration, CONTEXT));
  assert(whole.largest <= SLICE_UNITS_MAX, "a slice of a build");
  assert(whole.total >= 110_000, "every item is counted");

  const previous = build(configuration);
  const oneRule: Change[] = [{ kind: "rule_put", rule: blockRule(100_000, "ip", "192.0.2.1") }];
  assert.deepEqual(units(changeRuntimeState(previous, oneRule, CONTEXT)), { largest: 1, total: 1 });
  const oneRoute: Change[] = [{
    kind: "route_put",
    listenerId: 1,
    route: l4Route(10_000, "new.example.org"),
  }];
  const changed = units(changeRuntimeState(previous, oneRoute, CONTEXT));
  assert(changed.largest <= SLICE_UNITS_MAX, "a slice of a copy");
  assert(changed.total >= 20_000, "the copies are counted");
  assert(changed.total <= 20_001, "a route costs its listener's routes, not the rules");
});

Deno.test("a state of nothing refuses every hello and admits every client", () => {
  const state = build(EMPTY_CONFIGURATION);
  assert.equal(state.listenersById.size, 0);
  assert.equal(
    route({ listenerId: 1, serverName: "a", alpn: [], overLimit: () => false }, state).kind,
    "refuse",
  );
});

Deno.test("buildFirewallTables() compiles a candidate set in small slices", () => {
  const rules = Array.from({ length: 2_000 }, (_, id) => blockRule(id, "ip", `10.0.${id >> 8}.${id & 255}`));
  const built = units(buildFirewallTables(rules, false));
  assert(built.largest <= SLICE_UNITS_MAX);
  assert.equal(built.total, 2_000);
});
