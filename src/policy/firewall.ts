/**
 * The firewall's rules against one client.
 *
 * @module
 */

import { type IpAddress, isPrivate } from "./ip_address.ts";
import type { IpSet } from "./ip_set.ts";

/** The part of a firewall rule that a decision needs. */
export interface DecisionRule {
  /** Tells it apart in events and metrics; breaks ties, the lowest first. */
  readonly id: number;
  /** What it matches. */
  readonly type: "ip" | "cidr" | "country";
  /** Canonical, as `canonicalRuleValue` spells it. */
  readonly value: string;
  /** What it does to a client that it matches. */
  readonly action: "block" | "allow";
  /** `shadow`: reported, not enforced. */
  readonly mode: "enforce" | "shadow";
  /** Unix time in ms from which the rule no longer matches; absent = never. Judged when it is asked. */
  readonly expiresAtMs?: number;
}

/** Whether a rule's time is over. @param nowMs Unix ms */
export function isExpired({ expiresAtMs }: Pick<DecisionRule, "expiresAtMs">, nowMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs;
}

/** All rules, compiled. Immutable. */
export interface FirewallTables {
  /** Rules of type ip and cidr. */
  readonly addresses: IpSet<DecisionRule>;
  /** Rules of type country by code, each list by id. */
  readonly countries: ReadonlyMap<string, readonly DecisionRule[]>;
  /** Whether a client whose country isn't known is blocked. Private addresses are never unknown. */
  readonly blockUnknownCountry: boolean;
}

/**
 * What became of a rule whose value matches the client:
 * - `decided`: it is why the client passes or is blocked
 * - `overridden`: a rule earlier in the order, or a longer prefix, decided
 * - `shadow`: it stands before whatever decided, and isn't enforced
 * - `expired`
 */
export type RuleStanding = "decided" | "overridden" | "shadow" | "expired";

/** Told of every rule whose value matches the client, in the order of judgement. */
export type RuleObserver = (rule: DecisionRule, standing: RuleStanding) => void;

/** The firewall's word on a client. */
export interface FirewallVerdict {
  /**
   * - `pass`: no rule blocks it; `rule` is then absent, or the country allow that lifted country blocks
   * - `allow`: allowed by address, and exempt from the rate limit
   * - `block`: by `rule`, or without one because its country is unknown
   */
  readonly kind: "pass" | "allow" | "block";
  /** The rule that decided. */
  readonly rule: DecisionRule | undefined;
  /** ISO code, where it was looked up and is known. */
  readonly country: string | undefined;
  /** Live shadow rules that match and stand before what decided. */
  readonly shadowed: readonly DecisionRule[];
}

/** Who asks, and when. */
export interface FirewallFacts {
  /** The client's address: the peer's, or the one that a trusted PROXY header declares. */
  readonly client: IpAddress;
  /** Unix time in ms. */
  readonly nowMs: number;
  /** The address's ISO code, or `undefined` when it isn't known. Called at most once, and only if it matters. */
  country(address: IpAddress): string | undefined;
}

/** The one list for "none", so that nothing is made for it. */
export const NO_RULES: readonly DecisionRule[] = Object.freeze([]);

const PASSED: FirewallVerdict = Object.freeze({
  kind: "pass",
  rule: undefined,
  country: undefined,
  shadowed: NO_RULES,
});

/** One step of the order. */
type Stage = readonly [DecisionRule["action"], DecisionRule["type"]];
const ADDRESS_STAGES: readonly Stage[] = [["allow", "ip"], ["allow", "cidr"], ["block", "ip"], [
  "block",
  "cidr",
]];
/** An allowed country lifts blocks of that same country and nothing else. */
const COUNTRY_STAGES: readonly Stage[] = [["allow", "country"], ["block", "country"]];

/**
 * Judges a client. The first enforced, unexpired rule in this order decides: allow by IP, allow by CIDR, block
 * by IP, block by CIDR, allow by country, block by country; in one step the longest prefix, then the lowest id.
 * Last, a client of unknown country is blocked where `blockUnknownCountry` says so.
 *
 * @param observe told of every matching rule, those after the decision included; doesn't change the verdict
 * @returns a shared constant when no rule matches and no country was asked for
 */
export function judgeClient(
  facts: FirewallFacts,
  tables: FirewallTables,
  observe?: RuleObserver,
): FirewallVerdict {
  const matches = tables.addresses.lookup(facts.client);
  const countryMatters = tables.countries.size > 0 || tables.blockUnknownCountry;
  if (matches.length === 0 && !countryMatters) return PASSED;

  const judgement = new Judgement(facts.nowMs, observe);
  judgement.weigh(matches, ADDRESS_STAGES);
  const byAddress = judgement.decided;
  if (!countryMatters || (byAddress !== undefined && observe === undefined)) {
    return verdictOf(judgement, undefined);
  }
  const country = facts.country(facts.client);
  if (country !== undefined) judgement.weigh(tables.countries.get(country) ?? NO_RULES, COUNTRY_STAGES);
  const isUnknown = country === undefined && !isPrivate(facts.client);
  if (isUnknown && tables.blockUnknownCountry && judgement.decided === undefined) {
    return { kind: "block", rule: undefined, country, shadowed: judgement.shadowed };
  }
  // Watched or not, the verdict is the same: the country of a client that its address decided isn't in it.
  return verdictOf(judgement, byAddress === undefined ? country : undefined);
}

class Judgement {
  decided: DecisionRule | undefined;
  shadowed: readonly DecisionRule[] = NO_RULES;
  readonly #nowMs: number;
  readonly #observe: RuleObserver | undefined;

  constructor(nowMs: number, observe: RuleObserver | undefined) {
    this.#nowMs = nowMs;
    this.#observe = observe;
  }

  /** Takes matching rules through stages in turn; stops at the decision unless somebody watches. */
  weigh(rules: readonly DecisionRule[], stages: readonly Stage[]): void {
    for (const [action, type] of stages) {
      for (const rule of rules) {
        if (rule.action !== action || rule.type !== type) continue;
        if (this.decided !== undefined && this.#observe === undefined) return;
        const standing = this.#standing(rule);
        if (standing === "decided") this.decided = rule;
        if (standing === "shadow") this.shadowed = [...this.shadowed, rule];
        this.#observe?.(rule, standing);
      }
    }
  }

  #standing(rule: DecisionRule): RuleStanding {
    if (isExpired(rule, this.#nowMs)) return "expired";
    if (this.decided !== undefined) return "overridden";
    return rule.mode === "shadow" ? "shadow" : "decided";
  }
}

function verdictOf(judgement: Judgement, country: string | undefined): FirewallVerdict {
  const { decided: rule, shadowed } = judgement;
  if (rule?.action === "block") return { kind: "block", rule, country, shadowed };
  return { kind: rule === undefined || rule.type === "country" ? "pass" : "allow", rule, country, shadowed };
}
