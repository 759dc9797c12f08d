/**
 * `[firewall]` and `[[firewall.rules]]`: rules, and what they stand on.
 *
 * @module
 */

import type { FirewallRule, FirewallRuleType, Seed } from "../state/model.ts";
import { RULE_VALUES } from "./address.ts";
import type { Values } from "./key.ts";
import { FIREWALL, RULE } from "./schema.ts";
import { type PlacedTable, readAs, type Reading, readTable, readTables } from "./table.ts";

/** A rule and where it stands in the file. */
export interface PlacedRule {
  /** The rule, canonical. */
  readonly rule: Seed<FirewallRule>;
  /** Such as `firewall.rules[2]`, or `firewall.blocked_ips`. */
  readonly at: string;
  /** Whether it is an item of a list such as `blocked_ips`. */
  readonly isShorthand: boolean;
}

/** What `[firewall]` holds. */
export interface FirewallSection {
  /** The values of its keys. */
  readonly values: Values<typeof FIREWALL.keys>;
  /** The shorthand lists' rules first, then `[[firewall.rules]]`. */
  readonly rules: readonly PlacedRule[];
}

/**
 * Reads `[firewall]`. Countries without a country database are a mistake: such rules could never match, and
 * `block_unknown_country` would match everybody.
 *
 * @param reading gets the mistakes
 * @param raw as the TOML parser gave it; undefined = the file has no such section
 */
export function readFirewall(reading: Reading, raw: unknown): FirewallSection {
  const values = readTable(reading, FIREWALL, raw, "firewall");
  const listed = typeof raw === "object" && raw !== null && "rules" in raw ? raw.rules : undefined;
  const rules = [
    ...shorthand("ip", values.blocked_ips, "firewall.blocked_ips"),
    ...shorthand("cidr", values.blocked_cidrs, "firewall.blocked_cidrs"),
    ...shorthand("country", values.blocked_countries, "firewall.blocked_countries"),
    ...readTables(reading, RULE.name, listed, "firewall.rules").flatMap((placed) =>
      readRule(reading, placed)
    ),
  ];
  if (values.geoip_db === "" && !reading.issues.some((issue) => issue.path === "firewall.geoip_db")) {
    const needed = values.block_unknown_country
      ? "block_unknown_country is true"
      : rules.some(({ rule }) => rule.type === "country")
      ? "rules name countries"
      : undefined;
    if (needed !== undefined) {
      const wanted = `the path of a country database, as ${needed}`;
      reading.issues.push({ path: "firewall.geoip_db", wanted, got: "nothing" });
    }
  }
  return { values, rules };
}

function shorthand(type: FirewallRuleType, values: readonly string[], at: string): PlacedRule[] {
  return values.map((value) => ({
    rule: { type, value, action: "block", mode: "enforce", comment: "" },
    at,
    isShorthand: true,
  }));
}

function readRule(reading: Reading, { table, at }: PlacedTable): PlacedRule[] {
  const values = readTable(reading, RULE, table, at);
  if (values.type === undefined || values.value === undefined) return [];
  const value = readAs(reading, RULE_VALUES[values.type], values.value, `${at}.value`);
  if (value === undefined) return [];
  const { type, action, mode, expires, comment } = values;
  return [{
    rule: { type, value, action, mode, ...(expires === undefined ? {} : { expiresAtMs: expires }), comment },
    at,
    isShorthand: false,
  }];
}
