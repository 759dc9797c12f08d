import assert from "node:assert/strict";
import { admit, type AdmitFacts, type DecisionTables, route } from "../../src/policy/decide.ts";
import type { DecisionRule } from "../../src/policy/firewall.ts";
import { type IpAddress, parseIpAddress } from "../../src/policy/ip_address.ts";
import { type DecisionRoute, RouteTable } from "../../src/policy/route_table.ts";
import { buildFirewallTables } from "../../src/state/firewall_draft.ts";
import { runToEnd } from "../../src/state/slices.ts";

const LISTENER_ID = 7;

function rule(id: number, action: "block" | "allow", value: string, shadow = false): DecisionRule {
  const type = value.includes("/") ? "cidr" : value.length === 2 ? "country" : "ip";
  return { id, action, type, value, mode: shadow ? "shadow" : "enforce" };
}

function tables(rules: readonly DecisionRule[], routes: readonly DecisionRoute[] = []): DecisionTables {
  const routeTable = new RouteTable(new Map(routes.map((each) => [each.hostname, each])));
  return {
    firewall: runToEnd(buildFirewallTables(rules, false)),
    rateLimited: true,
    listenersById: new Map([[LISTENER_ID, { routeTable }]]),
  };
}

/** A client at 192.0.2.1 in the US, and a list of what was asked of the moment. */
function client(asked: string[], { token = true, over = false } = {}): AdmitFacts {
  return {
    client: parseIpAddress("192.0.2.1") as IpAddress,
    nowMs: 1_000,
    country: () => (asked.push("country"), "US"),
    takeRateToken: () => (asked.push("token"), token),
    overLimit: () => (asked.push("limit"), over),
  };
}

Deno.test("admit() asks firewall, rate and limits in turn, and nothing after a denial", async (t) => {
  const block = rule(1, "block", "192.0.2.0/24");
  const rows: readonly [string, DecisionRule[], { token?: boolean; over?: boolean }, string, string[]][] = [
    ["a client that no rule concerns", [], {}, "admit", ["token", "limit"]],
    ["a blocked IP", [rule(1, "block", "192.0.2.1")], {}, "blocked_ip 1", []],
    ["a blocked range", [block], {}, "blocked_cidr 1", []],
    ["a blocked country", [rule(1, "block", "US")], {}, "blocked_country 1", ["country"]],
    ["no token left", [], { token: false }, "rate_limited", ["token"]],
    ["no slot left", [], { over: true }, "over_limit", ["token", "limit"]],
    ["an allowed IP costs no token", [rule(1, "allow", "192.0.2.1")], { token: false }, "admit 1", ["limit"]],
    ["an allowed range costs no token", [rule(2, "allow", "192.0.2.0/24"), block], {}, "admit 2", ["limit"]],
    [
      "an allowed IP has no slot of its own",
      [rule(1, "allow", "192.0.2.1")],
      { over: true },
      "over_limit 1",
      [
        "limit",
      ],
    ],
    ["an allowed country costs a token", [rule(1, "allow", "US")], { token: false }, "rate_limited 1", [
      "country",
      "token",
    ]],
    [
      "a shadow allow exempts nobody",
      [rule(1, "allow", "192.0.2.1", true)],
      { token: false },
      "rate_limited",
      [
        "token",
      ],
    ],
  ];
  for (const [name, rules, moment, expected, expectedAsked] of rows) {
    await t.step(name, () => {
      const asked: string[] = [];
      const verdict = admit(client(asked, moment), tables(rules));
      const word = verdict.kind === "admit" ? "admit" : verdict.reason;
      assert.equal(word + (verdict.rule === undefined ? "" : ` ${verdict.rule.id}`), expected);
      assert.deepEqual(asked, expectedAsked);
    });
  }
});

Deno.test("admit() names the unknown country's block by the absence of a rule", () => {
  const firewall = runToEnd(buildFirewallTables([], true));
  const verdict = admit({ ...client([]), country: () => undefined }, { ...tables([]), firewall });
  assert.deepEqual(verdict, {
    kind: "deny",
    reason: "blocked_country",
    rule: undefined,
    country: undefined,
    shadowed: [],
  });
});

Deno.test("admit() never takes a token when rates aren't limited", () => {
  const asked: string[] = [];
  admit(client(asked), { ...tables([]), rateLimited: false });
  assert.deepEqual(asked, ["limit"]);
});

Deno.test("admit() reports shadow rules whatever the outcome", () => {
  const shadow = rule(1, "block", "192.0.2.1", true);
  assert.deepEqual(admit(client([]), tables([shadow])).shadowed, [shadow]);
  assert.deepEqual(admit(client([], { token: false }), tables([shadow])).shadowed, [shadow]);
  assert.deepEqual(admit(client([]), tables([shadow, rule(2, "block", "192.0.2.0/24")])).shadowed, [shadow]);
});

Deno.test("admit() gives every client that no rule concerns the same object", () => {
  assert.equal(admit(client([]), tables([])), admit(client([]), tables([rule(1, "block", "10.0.0.0/8")])));
});

const ACME_BACKEND = { host: "127.0.0.1", port: 8402 };
const ROUTES: readonly DecisionRoute[] = [
  { id: 1, hostname: "l4.example.org", enabled: true, mode: "l4" },
  { id: 2, hostname: "l7.example.org", enabled: true, mode: "l7", l7: {} },
  { id: 3, hostname: "acme.example.org", enabled: true, mode: "l7", l7: { acmeBackend: ACME_BACKEND } },
  { id: 4, hostname: "off.example.org", enabled: false, mode: "l4" },
  { id: 5, hostname: "*.wild.example.org", enabled: true, mode: "l4" },
];
const DEFAULT_L4: DecisionRoute = { id: 6, hostname: "*", enabled: true, mode: "l4" };
const DEFAULT_L7: DecisionRoute = {
  id: 7,
  hostname: "*",
  enabled: true,
  mode: "l7",
  l7: { acmeBackend: ACME_BACKEND },
};

Deno.test("route() finds where a hello goes, or why it goes nowhere", async (t) => {
  const acme = ["acme-tls/1"];
  const rows: readonly [string, DecisionRoute[], string | undefined, string[], string][] = [
    ["an exact name", [], "l4.example.org", ["h2"], "route 1 exact"],
    ["a wildcard", [], "a.wild.example.org", [], "route 5 wildcard"],
    ["an unknown name", [], "nobody.example.org", [], "refuse unknown_name"],
    ["no name", [], undefined, [], "refuse no_name"],
    ["a disabled route", [], "off.example.org", [], "refuse unknown_name"],
    ["an unknown name with a default", [DEFAULT_L4], "nobody.example.org", [], "route 6 default"],
    ["no name with a default", [DEFAULT_L4], undefined, [], "route 6 default"],
    ["ACME on an L4 route", [], "l4.example.org", acme, "route 1 exact"],
    ["ACME on the L4 default", [DEFAULT_L4], "nobody.example.org", acme, "route 6 default"],
    ["ACME on an L7 route with a backend for it", [], "acme.example.org", acme, "acme 3 exact"],
    ["ACME among others is HTTP", [], "acme.example.org", ["acme-tls/1", "h2"], "route 3 exact"],
    ["ACME on an L7 route without one", [], "l7.example.org", acme, "refuse no_alpn 2"],
    ["ACME never falls through to the default", [DEFAULT_L4], "l7.example.org", acme, "refuse no_alpn 2"],
    ["ACME on the L7 default", [DEFAULT_L7], "nobody.example.org", acme, "refuse no_alpn 7"],
    ["ACME without a name on the L7 default", [DEFAULT_L7], undefined, acme, "refuse no_alpn 7"],
    ["ACME in another case is something else", [], "l7.example.org", ["ACME-TLS/1"], "route 2 exact"],
  ];
  for (const [name, more, serverName, alpn, expected] of rows) {
    await t.step(name, () => {
      const facts = { listenerId: LISTENER_ID, serverName, alpn, overLimit: () => false };
      const verdict = route(facts, tables([], [...ROUTES, ...more]));
      const id = verdict.route === undefined ? "" : ` ${verdict.route.id}`;
      assert.equal(
        verdict.kind === "refuse" ? `refuse ${verdict.reason}${id}` : `${verdict.kind}${id} ${verdict.why}`,
        expected,
      );
    });
  }
});

Deno.test("route() asks for a slot last, and of the route that serves", () => {
  const asked: number[] = [];
  const overLimit = (each: DecisionRoute) => (asked.push(each.id), true);
  const facts = { listenerId: LISTENER_ID, alpn: ["acme-tls/1"], overLimit };
  assert.deepEqual(route({ ...facts, serverName: "l4.example.org" }, tables([], ROUTES)), {
    kind: "refuse",
    reason: "over_limit",
    route: ROUTES[0],
  });
  assert.equal(route({ ...facts, serverName: "l7.example.org" }, tables([], ROUTES)).kind, "refuse");
  assert.equal(route({ ...facts, serverName: "nobody.example.org" }, tables([], ROUTES)).kind, "refuse");
  assert.deepEqual(asked, [1]);
});

Deno.test("route() on a listener that is gone says so", () => {
  const facts = { listenerId: 8, serverName: "l4.example.org", alpn: [], overLimit: () => false };
  assert.deepEqual(route(facts, tables([], ROUTES)), {
    kind: "refuse",
    reason: "listener_removed",
    route: undefined,
  });
});
