/**
 * What becomes of a connection, decided in the order and by the functions of `proxy/connection.ts`, from facts alone.
 * Pure.
 *
 * @module
 */

import { offersHttp } from "../l7/offer_rules.ts";
import { admit, type AdmitVerdict, route, type RouteVerdict } from "../policy/decide.ts";
import type { DecisionRule, FirewallFacts, RuleStanding } from "../policy/firewall.ts";
import type { RouteMatch, RouteStanding } from "../policy/route_table.ts";
import type { Reason } from "../reasons.ts";
import type { Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { SaidHello } from "./explained_hello.ts";

/** What is known of a connection, and of the moment. */
export interface ConnectionFacts extends FirewallFacts {
  /** The listener that would accept it. */
  readonly listenerId: number;
  /** What the client says. */
  readonly said: SaidHello;
  /** Whether the client's rate bucket has a token. */
  readonly hasRateToken: boolean;
  /** Whether a limit of connections in all, of the listener or of the address leaves no room. */
  readonly isOverLimit: boolean;
  /** Whether a route's limit leaves no room. */
  isRouteFull(route: Route): boolean;
  /** Whether an L7 route has a certificate that can be used. */
  hasCertificate(route: Route): boolean;
}

/** What would become of it. */
export interface Decision {
  /** Whether it is let in. */
  readonly admission: AdmitVerdict;
  /** Where its hello leads; absent = it isn't let in, or its hello can't be read. */
  readonly verdict: RouteVerdict<Route> | undefined;
  /** Why it ends at once; absent = it goes to a backend. */
  readonly reason: Reason | undefined;
  /** Every firewall rule that matches the client, in the order of judgement. */
  readonly rules: readonly { readonly rule: DecisionRule; readonly standing: RuleStanding }[];
  /** Every route that matches the name, nearest first. */
  readonly routes: readonly {
    readonly id: number;
    readonly match: RouteMatch;
    readonly standing: RouteStanding;
  }[];
}

/** Decides. */
export function decide(facts: ConnectionFacts, state: RuntimeState): Decision {
  const rules: Decision["rules"][number][] = [];
  const routes: Decision["routes"][number][] = [];
  const admission = admit(
    {
      client: facts.client,
      nowMs: facts.nowMs,
      country: (address) => facts.country(address),
      takeRateToken: () => facts.hasRateToken,
      overLimit: () => facts.isOverLimit,
    },
    state,
    (rule, standing) => void rules.push({ rule, standing }),
  );
  const seen = { admission, rules, routes };
  if (admission.kind === "deny") return { ...seen, verdict: undefined, reason: admission.reason };

  const { serverName, alpn, fault } = facts.said;
  if (fault !== undefined) return { ...seen, verdict: undefined, reason: fault };

  const { listenerId } = facts;
  const verdict = route<Route>(
    { listenerId, serverName, alpn, overLimit: (candidate) => facts.isRouteFull(candidate) },
    state,
    ({ id }, match, standing) => void routes.push({ id, match, standing }),
  );
  return { ...seen, verdict, reason: reasonOf(verdict, facts) };
}

function reasonOf(verdict: RouteVerdict<Route>, facts: ConnectionFacts): Reason | undefined {
  if (verdict.kind === "refuse") return verdict.reason;
  if (verdict.kind === "acme" || verdict.route.mode === "l4") return undefined;
  if (!offersHttp(facts.said.alpn)) return "no_alpn";
  return facts.hasCertificate(verdict.route) ? undefined : "certificate_unusable";
}
