/**
 * What a firewall rule matches, as text.
 *
 * @module
 */

import { parseCidr, parseNetwork } from "./cidr.ts";
import { canonicalCountryCode, COUNTRY_WANTED } from "./country_codes.ts";
import type { DecisionRule } from "./firewall.ts";
import { parseIpAddress } from "./ip_address.ts";

/** A rule's value in its canonical spelling, or what was wanted instead. */
export type RuleValue =
  | { readonly kind: "value"; readonly value: string }
  | { readonly kind: "invalid"; readonly wanted: string };

/**
 * The canonical spelling of a rule's value: `::ffff:192.0.2.1` is `192.0.2.1`, `2001:DB8::` is `2001:db8::`,
 * `de` is `DE`. A CIDR whose host bits are set is refused with the range that it would be.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(canonicalRuleValue("country", "de"), { kind: "value", value: "DE" });
 * assert.deepEqual(canonicalRuleValue("cidr", "10.1.2.3/8"), {
 *   kind: "invalid",
 *   wanted: 'a CIDR with host bits zero, such as "10.0.0.0/8"',
 * });
 * ```
 */
export function canonicalRuleValue(type: DecisionRule["type"], text: string): RuleValue {
  switch (type) {
    case "ip": {
      const address = text.includes("%") ? undefined : parseIpAddress(text);
      return ruleValue(address?.text, "an IPv4 or IPv6 address without zone or prefix length");
    }
    case "cidr": {
      const network = parseNetwork(text);
      return ruleValue(
        parseCidr(text)?.text,
        network === undefined
          ? 'a CIDR such as "10.0.0.0/8" or "2001:db8::/32"'
          : `a CIDR with host bits zero, such as "${network.text}"`,
      );
    }
    case "country":
      return ruleValue(canonicalCountryCode(text), COUNTRY_WANTED);
  }
}

function ruleValue(value: string | undefined, wanted: string): RuleValue {
  return value === undefined ? { kind: "invalid", wanted } : { kind: "value", value };
}
