/**
 * Configurations for the tests of the pure state: one by hand, and any number at random.
 *
 * @module
 */

import fc from "fast-check";
import type { Configuration, FirewallRule, L7Options, Listener, Route } from "../../src/state/model.ts";

/** A valid L4 route. */
export function l4Route(id: number, hostname: string, more: Partial<Route> = {}): Route {
  return {
    id,
    hostname,
    backend: { host: "127.0.0.1", port: 8443 },
    enabled: true,
    mode: "l4",
    sendProxyProtocol: false,
    maxConnections: 0,
    ...more,
  };
}

/** Valid options of an L7 route. */
export const L7: L7Options = {
  tlsCert: "/etc/cert.pem",
  tlsKey: "/etc/key.pem",
  backendTls: false,
  backendCa: "",
  backendServerName: "",
  backendProtocol: "h2c",
};

/** A valid listener. */
export function listener(
  id: number,
  host: string,
  routes: readonly Route[],
  more: Partial<Listener> = {},
): Listener {
  return {
    id,
    address: { host, port: 443 },
    maxConnections: 0,
    proxyProtocol: false,
    trustedProxies: [],
    routes,
    ...more,
  };
}

/** A valid rule. */
export function blockRule(
  id: number,
  type: FirewallRule["type"],
  value: string,
  more: Partial<FirewallRule> = {},
): FirewallRule {
  return { id, type, value, action: "block", mode: "enforce", comment: "", ...more };
}

/** So many rules, of an address each. */
export function blockRules(count: number): FirewallRule[] {
  return Array.from(
    { length: count },
    (_, index) => blockRule(index + 1, "ip", `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`),
  );
}

/** A valid configuration with some of everything. */
export const SAMPLE: Configuration = {
  listeners: [
    listener(1, "192.0.2.1", [
      l4Route(1, "git.example.org"),
      l4Route(2, "*.example.org", { enabled: false, idleTimeoutMs: 5_000 }),
      l4Route(3, "www.example.org", { mode: "l7", l7: { ...L7, acmeBackend: { host: "::1", port: 8402 } } }),
    ]),
    listener(2, "192.0.2.2", [l4Route(4, "git.example.org"), l4Route(5, "*")], {
      proxyProtocol: true,
      trustedProxies: ["10.0.0.0/8", "2001:db8::1"],
    }),
  ],
  firewallRules: [
    blockRule(1, "ip", "198.51.100.1"),
    blockRule(2, "cidr", "198.51.100.0/24", { mode: "shadow" }),
    blockRule(3, "country", "DE", { expiresAtMs: 5_000, comment: "for a while" }),
  ],
};

const route: fc.Arbitrary<Omit<Route, "id">> = fc.record({
  hostname: fc.constantFrom("a.example", "b.example", "c.example", "*.example", "*"),
  enabled: fc.boolean(),
  maxConnections: fc.nat(2),
  idleTimeoutMs: fc.option(fc.nat(2), { nil: undefined }),
}).map(({ hostname, enabled, maxConnections, idleTimeoutMs }) => {
  const { id: _, ...rest } = l4Route(0, hostname, { enabled, maxConnections });
  return idleTimeoutMs === undefined ? rest : { ...rest, idleTimeoutMs };
});

const rule = fc.record({
  value: fc.constantFrom(
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.0/24",
    "192.0.0.0/16",
    "2001:db8::/32",
    "US",
    "DE",
  ),
  action: fc.constantFrom<FirewallRule["action"]>("block", "allow"),
  mode: fc.constantFrom<FirewallRule["mode"]>("enforce", "shadow"),
});

function someIds(max: number): fc.Arbitrary<number[]> {
  return fc.uniqueArray(fc.integer({ min: 1, max }), { maxLength: max });
}

/**
 * Any valid configuration over so few ids, hostnames and values that two of them have much in common. Ids are
 * in any order; each listener has its own range of route ids, as ids are unique over all listeners.
 */
export const anyConfiguration: fc.Arbitrary<Configuration> = fc.record({
  listeners: someIds(3).chain((ids) =>
    fc.tuple(...ids.map((id) =>
      fc.record({
        maxConnections: fc.nat(2),
        routes: fc.uniqueArray(fc.record({ id: fc.integer({ min: 1, max: 6 }), route }), {
          maxLength: 6,
          selector: (each) => each.id,
        }),
      }).map(({ maxConnections, routes }) => {
        const byHostname = new Map(routes.map((each) => [each.route.hostname, each]));
        const own = [...byHostname.values()].map((each): Route => ({
          ...each.route,
          id: id * 100 + each.id,
        }));
        return listener(id, `192.0.2.${id}`, own, { maxConnections });
      })
    ))
  ),
  firewallRules: someIds(12).chain((ids) =>
    fc.tuple(...ids.map((id) =>
      rule.map(({ value, action, mode }): FirewallRule => {
        const type = value.includes("/") ? "cidr" : value.length === 2 ? "country" : "ip";
        return blockRule(id, type, value, { action, mode });
      })
    ))
  ),
});

/** The same configuration with every list ordered by id, as it comes out of `applyChanges`. */
export function orderedConfiguration(configuration: Configuration): Configuration {
  const byId = (left: { id: number }, right: { id: number }) => left.id - right.id;
  return {
    listeners: configuration.listeners.toSorted(byId).map((each) => ({
      ...each,
      routes: each.routes.toSorted(byId),
    })),
    firewallRules: configuration.firewallRules.toSorted(byId),
  };
}
