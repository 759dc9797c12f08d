/**
 * Goal: Explain decides as a connection does. Method: random states and facts; what `decide` says is compared with the
 * two functions that live connections call, in the order of `proxy/connection.ts`, unwatched and with the same facts.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type ConnectionFacts, decide, type Decision } from "../../src/admin/decision.ts";
import { offersHttp } from "../../src/l7/offer_rules.ts";
import { admit, route } from "../../src/policy/decide.ts";
import { type IpAddress, parseIpAddress } from "../../src/policy/ip_address.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Configuration, Route } from "../../src/state/model.ts";
import { buildRuntimeState, type RuntimeState } from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";
import { anyConfiguration, blockRule, l4Route, L7, listener } from "../state/configurations.ts";

const NOW_MS = 1_000;
const NOWHERE = { host: "127.0.0.1", port: 9 };

function stateOf(
  configuration: Configuration,
  { rateLimit = 0, blockUnknownCountry = false } = {},
): RuntimeState {
  const limits = { ...DEFAULT_LIMITS, rateLimit };
  return runToEnd(
    buildRuntimeState(configuration, { revision: 1, generation: 0, limits, blockUnknownCountry }),
  );
}

function addressOf(text: string): IpAddress {
  return parseIpAddress(text)!;
}

/** Any configuration, some of its routes at layer 7, some of its rules expired. */
const configuration = fc.tuple(anyConfiguration, fc.array(fc.nat(3), { minLength: 24, maxLength: 24 })).map(
  ([{ listeners, firewallRules }, dice]): Configuration => ({
    listeners: listeners.map((each) => ({
      ...each,
      routes: each.routes.map((one, index) => {
        const die = dice[index % dice.length]!;
        if (die < 2) return one;
        return { ...one, mode: "l7", l7: die === 2 ? L7 : { ...L7, acmeBackend: NOWHERE } };
      }),
    })),
    firewallRules: firewallRules.map((rule, index) => {
      const die = dice[index % dice.length]!;
      return die < 2 ? rule : { ...rule, expiresAtMs: die === 2 ? NOW_MS : NOW_MS + 1 };
    }),
  }),
);

const facts: fc.Arbitrary<ConnectionFacts> = fc.record({
  client: fc.constantFrom("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.9.9", "2001:db8::1", "10.0.0.1").map(
    addressOf,
  ),
  nowMs: fc.constant(NOW_MS),
  country: fc.constantFrom(undefined, "US", "DE", "FR").map((code) => () => code),
  listenerId: fc.integer({ min: 1, max: 4 }),
  said: fc.record({
    serverName: fc.constantFrom(undefined, "a.example", "b.example", "c.example", "d.example", "x.y.example"),
    alpn: fc.constantFrom<string[]>([], ["h2"], ["acme-tls/1"], ["h2", "acme-tls/1"], ["spdy/3"]),
    fault: fc.constantFrom(undefined, undefined, undefined, "hello_malformed" as const, "not_tls" as const),
  }).map(({ fault, ...rest }) => fault === undefined ? rest : { serverName: undefined, alpn: [], fault }),
  hasRateToken: fc.boolean(),
  isOverLimit: fc.boolean(),
  isRouteFull: fc.boolean().map((isFull) => () => isFull),
  hasCertificate: fc.boolean().map((has) => () => has),
});

/** What `proxy/connection.ts` and `l7/terminate.ts` do, told in the event's words. */
function livingOutcome(
  known: ConnectionFacts,
  state: RuntimeState,
): Pick<Decision, "admission" | "reason"> & { route?: Route } {
  const admission = admit(
    { ...known, takeRateToken: () => known.hasRateToken, overLimit: () => known.isOverLimit },
    state,
  );
  if (admission.kind === "deny") return { admission, reason: admission.reason };
  const { serverName, alpn, fault } = known.said;
  if (fault !== undefined) return { admission, reason: fault };
  const verdict = route<Route>(
    { listenerId: known.listenerId, serverName, alpn, overLimit: known.isRouteFull },
    state,
  );
  if (verdict.kind === "refuse") {
    return {
      admission,
      reason: verdict.reason,
      ...(verdict.route !== undefined && { route: verdict.route }),
    };
  }
  const isTerminated = verdict.kind === "route" && verdict.route.mode === "l7";
  const refusal = !isTerminated
    ? undefined
    : !offersHttp(alpn)
    ? "no_alpn"
    : known.hasCertificate(verdict.route)
    ? undefined
    : "certificate_unusable";
  return { admission, reason: refusal, route: verdict.route };
}

Deno.test("decide() decides as a live connection does, whatever the state and the facts", () => {
  fc.assert(
    fc.property(
      configuration,
      fc.nat(1),
      fc.boolean(),
      facts,
      (from, rateLimit, blockUnknownCountry, known) => {
        const state = stateOf(from, { rateLimit, blockUnknownCountry });
        const decision = decide(known, state);
        const { admission, reason, route: chosen } = livingOutcome(known, state);
        assert.deepEqual(decision.admission, admission);
        assert.deepEqual([decision.reason, decision.verdict?.route], [reason, chosen]);
      },
    ),
    { numRuns: 2_000 },
  );
});

Deno.test("decide() names every rule and route that matches, and the one that decided once", () => {
  fc.assert(
    fc.property(configuration, facts, (from, known) => {
      const { admission, verdict, rules, routes } = decide(known, stateOf(from));
      const standing = (word: string) =>
        rules.filter((each) => each.standing === word).map(({ rule }) => rule);
      assert.deepEqual(standing("decided"), admission.rule === undefined ? [] : [admission.rule]);
      assert.deepEqual(standing("shadow"), admission.shadowed);
      for (const { rule: { expiresAtMs } } of rules.filter((each) => each.standing === "expired")) {
        assert.equal(expiresAtMs, NOW_MS);
      }
      const chosen = routes.filter((each) => each.standing === "chosen").map(({ id }) => id);
      assert.deepEqual(chosen, verdict?.route === undefined ? [] : [verdict.route.id]);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("decide() finds each kind of outcome", async (t) => {
  const routes = [
    l4Route(1, "a.example"),
    l4Route(2, "l7.example", { mode: "l7", l7: L7 }),
    l4Route(3, "acme.example", { mode: "l7", l7: { ...L7, acmeBackend: NOWHERE } }),
  ];
  const firewallRules = [blockRule(1, "ip", "192.0.2.1"), blockRule(2, "country", "DE")];
  const state = stateOf({ listeners: [listener(1, "192.0.2.9", routes)], firewallRules }, { rateLimit: 1 });
  const free: ConnectionFacts = {
    client: addressOf("192.0.2.7"),
    nowMs: NOW_MS,
    country: () => undefined,
    listenerId: 1,
    said: { serverName: "a.example", alpn: [] },
    hasRateToken: true,
    isOverLimit: false,
    isRouteFull: () => false,
    hasCertificate: () => true,
  };
  const named = (serverName: string | undefined, ...alpn: string[]) => ({ said: { serverName, alpn } });
  const rows: readonly [Partial<ConnectionFacts>, string | undefined][] = [
    [{}, undefined],
    [{ client: addressOf("192.0.2.1") }, "blocked_ip"],
    [{ country: () => "DE" }, "blocked_country"],
    [{ hasRateToken: false }, "rate_limited"],
    [{ isOverLimit: true }, "over_limit"],
    [{ said: { serverName: undefined, alpn: [], fault: "hello_too_large" } }, "hello_too_large"],
    [{ listenerId: 2 }, "listener_removed"],
    [named("x.example"), "unknown_name"],
    [named(undefined), "no_name"],
    [{ isRouteFull: () => true }, "over_limit"],
    [named("l7.example", "h2"), undefined],
    [named("l7.example", "spdy/3"), "no_alpn"],
    [{ ...named("l7.example"), hasCertificate: () => false }, "certificate_unusable"],
    [{ ...named("acme.example", "acme-tls/1"), hasCertificate: () => false }, undefined],
    [named("l7.example", "acme-tls/1"), "no_alpn"],
  ];
  for (const [more, reason] of rows) {
    await t.step(JSON.stringify([more, reason]), () => {
      assert.equal(decide({ ...free, ...more }, state).reason, reason);
    });
  }
});
