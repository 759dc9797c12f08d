/**
 * The two decisions of a connection's life: may it in, and where does it go. Live connections, Explain,
 * TryRules and the tests call the same two functions; what depends on the moment is one of their facts.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";
import {
  type DecisionRule,
  type FirewallFacts,
  type FirewallTables,
  type FirewallVerdict,
  judgeClient,
  NO_RULES,
  type RuleObserver,
} from "./firewall.ts";
import { DEFAULT_HOSTNAME } from "./hostname.ts";
import type { DecisionRoute, RouteMatch, RouteObserver, RouteTable } from "./route_table.ts";

/** Everything that decisions are made from; `RuntimeState` is one. Immutable. */
export interface DecisionTables<Route extends DecisionRoute = DecisionRoute> {
  /** The firewall's rules. */
  readonly firewall: FirewallTables;
  /** Whether new connections cost a rate token. False = `takeRateToken` is never called. */
  readonly rateLimited: boolean;
  /** Each listener's routes, by the listener's id. */
  readonly listenersById: ReadonlyMap<number, { readonly routeTable: RouteTable<Route> }>;
}

/** What `admit` needs to know. A connection object may implement it: the calls are methods. */
export interface AdmitFacts extends FirewallFacts {
  /**
   * Takes a token of the client's rate bucket; false = there is none. Called at most once, and never for a
   * client that the firewall blocks, nor for one that it allows by address (those are exempt).
   */
  takeRateToken(): boolean;
  /**
   * Whether a limit of open connections (in all, on the listener, of the client) leaves no room. It may take the
   * slot when it answers false: it is called at most once, last, and after false the client is in.
   */
  overLimit(): boolean;
}

/** Reasons for which a client isn't let in. The first three come from the firewall. */
export type DenyReason = Extract<
  Reason,
  "blocked_ip" | "blocked_cidr" | "blocked_country" | "rate_limited" | "over_limit"
>;

/** What both outcomes of `admit` carry. */
export interface AdmitDetails {
  /**
   * The rule that decided: an allow (also when a limit then denied), a block, or absent. Absent with
   * `blocked_country` means that the country is unknown.
   */
  readonly rule: DecisionRule | undefined;
  /** ISO code, where it was looked up and is known. */
  readonly country: string | undefined;
  /** Shadow rules that would have had a say; each is to be counted, whatever the outcome. */
  readonly shadowed: readonly DecisionRule[];
}

/** Whether a client is let in. */
export type AdmitVerdict =
  | AdmitDetails & { readonly kind: "admit" }
  | AdmitDetails & { readonly kind: "deny"; readonly reason: DenyReason };

const ADMITTED: AdmitVerdict = Object.freeze({
  kind: "admit",
  rule: undefined,
  country: undefined,
  shadowed: NO_RULES,
});

/**
 * Decides whether a client is let in: firewall, then rate limit, then connection limits.
 *
 * @param observe told of every firewall rule that matches and what became of it; doesn't change the verdict
 * @returns a shared constant for a client that no rule concerns: the common path allocates nothing
 */
export function admit(facts: AdmitFacts, tables: DecisionTables, observe?: RuleObserver): AdmitVerdict {
  const firewall = judgeClient(facts, tables.firewall, observe);
  if (firewall.kind === "block") return denied(blockReason(firewall.rule), firewall);
  if (tables.rateLimited && firewall.kind !== "allow" && !facts.takeRateToken()) {
    return denied("rate_limited", firewall);
  }
  if (facts.overLimit()) return denied("over_limit", firewall);
  const { rule, country, shadowed } = firewall;
  if (rule === undefined && country === undefined && shadowed.length === 0) return ADMITTED;
  return { kind: "admit", rule, country, shadowed };
}

function blockReason(rule: DecisionRule | undefined): DenyReason {
  return rule === undefined ? "blocked_country" : `blocked_${rule.type}`;
}

function denied(reason: DenyReason, { rule, country, shadowed }: FirewallVerdict): AdmitVerdict {
  return { kind: "deny", reason, rule, country, shadowed };
}

/** What `route` needs to know. */
export interface RouteFacts<Route extends DecisionRoute = DecisionRoute> {
  /** The id of the listener that accepted the connection. */
  readonly listenerId: number;
  /** Canonical (`canonicalServerName`); absent = the hello has no SNI. */
  readonly serverName: string | undefined;
  /** The ALPN protocols that the hello offers, as sent; empty when it has none. */
  readonly alpn: readonly string[];
  /**
   * Whether the route's limit of open connections leaves no room. It may take the slot when it answers false: it
   * is called at most once, last, and after false the connection goes to that route.
   */
  overLimit(route: Route): boolean;
}

/** Reasons for which a hello is refused. */
export type RefuseReason = Extract<
  Reason,
  "unknown_name" | "no_name" | "no_alpn" | "over_limit" | "listener_removed"
>;

/** Where a connection goes. */
export type RouteVerdict<Route extends DecisionRoute = DecisionRoute> =
  | { readonly kind: "route"; readonly route: Route; readonly why: RouteMatch }
  /** To the L7 route's `acmeBackend` at layer 4. */
  | { readonly kind: "acme"; readonly route: Route; readonly why: RouteMatch }
  /** `route` is the one that matched, where one did. */
  | { readonly kind: "refuse"; readonly reason: RefuseReason; readonly route: Route | undefined };

/** The ALPN protocol of ACME's TLS challenge (RFC 8737 §6.2). */
const ACME_TLS = "acme-tls/1";

/**
 * Decides where a connection goes. The route is the listener's exact name, else its wildcard, else `*`.
 *
 * A hello that offers `acme-tls/1` and nothing else passes an L4 route like any other. On an L7 route it goes to
 * the route's `acmeBackend` at layer 4, or is refused; it is never handed on to the `*` route, whose backend
 * could get itself a certificate for another route's name, and an L7 `*` route has no names to prove, so it
 * refuses it too.
 *
 * @param observe told of every route whose hostname matches and what became of it; doesn't change the verdict
 */
export function route<Route extends DecisionRoute>(
  facts: RouteFacts<Route>,
  tables: DecisionTables<Route>,
  observe?: RouteObserver,
): RouteVerdict<Route> {
  const listener = tables.listenersById.get(facts.listenerId);
  if (listener === undefined) return refused("listener_removed");
  const found = listener.routeTable.find(facts.serverName, observe);
  if (found === undefined) return refused(facts.serverName === undefined ? "no_name" : "unknown_name");
  const isAcme = found.route.mode === "l7" && facts.alpn.length === 1 && facts.alpn[0] === ACME_TLS;
  if (isAcme && (found.route.hostname === DEFAULT_HOSTNAME || found.route.l7?.acmeBackend === undefined)) {
    return refused("no_alpn", found.route);
  }
  if (facts.overLimit(found.route)) return refused("over_limit", found.route);
  return { kind: isAcme ? "acme" : "route", route: found.route, why: found.why };
}

function refused<Route extends DecisionRoute>(reason: RefuseReason, route?: Route): RouteVerdict<Route> {
  return { kind: "refuse", reason, route };
}
