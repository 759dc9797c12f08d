/**
 * Firewall rules compiled for decisions, one rule at a time.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { type Cidr, parseAddressOrCidr } from "../policy/cidr.ts";
import type { DecisionRule, FirewallTables } from "../policy/firewall.ts";
import { IpSet, type IpSetBuilder } from "../policy/ip_set.ts";
import { SLICE_UNITS_MAX, type Sliced } from "./slices.ts";

/** Compiles rules alone, in slices: a candidate set to be tried against past connections. */
export function* buildFirewallTables(
  rules: Iterable<DecisionRule>,
  blockUnknownCountry: boolean,
): Sliced<FirewallTables> {
  const draft = new FirewallDraft(undefined);
  let units = 0;
  for (const rule of rules) {
    draft.add(rule);
    if (++units === SLICE_UNITS_MAX) {
      yield units;
      units = 0;
    }
  }
  yield units;
  return draft.build(blockUnknownCountry);
}

/** Tables in the making: begins with others, which stay as they are, or with none. Used for one `build`. */
export class FirewallDraft {
  readonly #addresses: IpSetBuilder<DecisionRule>;
  readonly #countries: Map<string, readonly DecisionRule[]>;

  /** Begins with `previous`; absent = no rules. */
  constructor(previous: FirewallTables | undefined) {
    this.#addresses = (previous?.addresses ?? IpSet.empty<DecisionRule>()).builder();
    this.#countries = new Map(previous?.countries ?? []);
  }

  /**
   * Adds a rule.
   * @throws {ProxyError} `conflict` when a rule with its id is at its value, or the value isn't canonical
   */
  add(rule: DecisionRule): void {
    if (rule.type !== "country") {
      if (!this.#addresses.add(rangeOf(rule), rule)) throw misfit(rule);
      return;
    }
    const before = this.#countries.get(rule.value) ?? [];
    if (before.some((other) => other.id === rule.id)) throw misfit(rule);
    this.#setCountry(rule.value, [...before, rule].sort((left, right) => left.id - right.id));
  }

  /**
   * Removes a rule.
   * @throws {ProxyError} `conflict` when no rule with its id is at its value
   */
  remove(rule: DecisionRule): void {
    if (rule.type !== "country") {
      if (!this.#addresses.remove(rangeOf(rule), rule.id)) throw misfit(rule);
      return;
    }
    const before = this.#countries.get(rule.value) ?? [];
    const after = before.filter((other) => other.id !== rule.id);
    if (after.length === before.length) throw misfit(rule);
    this.#setCountry(rule.value, after);
  }

  #setCountry(code: string, rules: readonly DecisionRule[]): void {
    if (rules.length === 0) this.#countries.delete(code);
    else this.#countries.set(code, rules);
  }

  /** The tables. The draft must not be used any more. */
  build(blockUnknownCountry: boolean): FirewallTables {
    return Object.freeze({
      addresses: this.#addresses.build(),
      countries: this.#countries,
      blockUnknownCountry,
    });
  }
}

function rangeOf(rule: DecisionRule): Cidr {
  const range = parseAddressOrCidr(rule.value);
  if (range === undefined) throw new ProxyError("conflict", `"${rule.value}" is no address or CIDR`);
  return range;
}

function misfit(rule: DecisionRule): ProxyError {
  return new ProxyError("conflict", `a change of rule ${rule.id} doesn't fit what is there`);
}
