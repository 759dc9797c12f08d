import assert from "node:assert/strict";
import type { Decision } from "../../src/admin/decision.ts";
import { type Explained, explainWarnings } from "../../src/admin/explain_warnings.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import { buildRuntimeState, type RuntimeStateContext } from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";
import { blockRule, l4Route, listener } from "../state/configurations.ts";

const A = l4Route(1, "a.test");
const LISTENER = listener(1, "192.0.2.1", [A]);

function decisionTo(route: typeof A | undefined): Decision {
  return {
    admission: { kind: "admit", rule: undefined, country: undefined, shadowed: [] },
    verdict: route && { kind: "route", route, why: route.hostname === "*" ? "default" : "exact" },
    reason: undefined,
    rules: [],
    routes: [],
  };
}

function explained(more: Partial<Explained> = {}, context: Partial<RuntimeStateContext> = {}): Explained {
  const firewallRules = more.hasCountries === false ? [blockRule(1, "country", "DE")] : [];
  const state = buildRuntimeState({ listeners: [], firewallRules }, {
    revision: 1,
    generation: 0,
    limits: DEFAULT_LIMITS,
    blockUnknownCountry: false,
    ...context,
  });
  return {
    decision: decisionTo(A),
    state: runToEnd(state),
    listener: LISTENER,
    listeners: [LISTENER],
    client: parseIpAddress("198.51.100.1")!,
    serverName: "a.test",
    limitMode: "enforce",
    hasCountries: true,
    certificateProblem: "",
    ...more,
  };
}

const RATE = { limits: { ...DEFAULT_LIMITS, rateLimit: 5 } };
const PER_IP = { limits: { ...DEFAULT_LIMITS, maxConnectionsPerIp: 3 } };
const ALLOWED: Decision = {
  ...decisionTo(A),
  admission: {
    kind: "admit",
    rule: blockRule(1, "ip", "198.51.100.1", { action: "allow" }),
    country: undefined,
    shadowed: [],
  },
};

Deno.test("explainWarnings() says what matters and nothing else", async (t) => {
  const to = (backend: string, port = 443) => decisionTo({ ...A, backend: { host: backend, port } });
  const everywhere = [listener(1, "::", [])];
  const rows: readonly [name: string, explained: Explained, expected: RegExp | undefined][] = [
    ["nothing", explained(), undefined],
    ["a rate limit", explained({}, RATE), /^at most 5 new connections a second and address are let in$/],
    ["a rate limit in shadow mode", explained({ limitMode: "shadow" }, RATE), /counted and let in$/],
    ["a rate limit for who is exempt", explained({ decision: ALLOWED }, RATE), undefined],
    ["a limit by address", explained({}, PER_IP), /^at most 3 connections of one address/],
    ["country rules without a database", explained({ hasCountries: false }), /no GeoIP database/],
    ["a PROXY listener", explained({ listener: { ...LISTENER, proxyProtocol: true } }), /PROXY header/],
    [
      "a private address",
      explained({ client: parseIpAddress("10.0.0.1")! }, { blockUnknownCountry: true }),
      /private address has no country/,
    ],
    ["a certificate", explained({ certificateProblem: "it has expired" }), /certificate: it has expired$/],
    ["the default route", explained({ decision: decisionTo({ ...A, hostname: "*" }) }), /every other name/],
    [
      "a disabled route",
      explained({
        decision: decisionTo(undefined),
        listener: { ...LISTENER, routes: [{ ...A, enabled: false }] },
      }),
      /^route a\.test is disabled$/,
    ],
    ["a backend that is a listener", explained({ decision: to("192.0.2.1") }), /192\.0\.2\.1:443 .* loop$/],
    [
      "a backend on loopback under a wildcard",
      explained({ decision: to("127.0.0.1"), listeners: everywhere }),
      /loop$/,
    ],
    ["a backend on another host", explained({ decision: to("192.0.2.2"), listeners: everywhere }), undefined],
    ["a backend on another port", explained({ decision: to("192.0.2.1", 8443) }), undefined],
  ];
  for (const [name, each, expected] of rows) {
    await t.step(name, () => {
      const warnings = explainWarnings(each);
      assert.equal(warnings.length, expected === undefined ? 0 : 1, warnings.join());
      if (expected !== undefined) assert.match(warnings[0]!, expected);
    });
  }
});
