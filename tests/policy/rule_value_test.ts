import assert from "node:assert/strict";
import type { DecisionRule } from "../../src/policy/firewall.ts";
import { canonicalRuleValue } from "../../src/policy/rule_value.ts";

Deno.test("canonicalRuleValue() spells a rule's value in one way or says what was wanted", async (t) => {
  const table: readonly [DecisionRule["type"], string, string][] = [
    ["ip", "::ffff:1.2.3.4", "1.2.3.4"],
    ["ip", "2001:DB8::", "2001:db8::"],
    ["ip", "10.0.0.0/8", "wanted an IPv4 or IPv6 address without zone or prefix length"],
    ["ip", "fe80::1%eth0", "wanted an IPv4 or IPv6 address without zone or prefix length"],
    ["cidr", "::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["cidr", "10.1.2.3/8", 'wanted a CIDR with host bits zero, such as "10.0.0.0/8"'],
    ["cidr", "10.1.2.3", 'wanted a CIDR such as "10.0.0.0/8" or "2001:db8::/32"'],
    ["country", "de", "DE"],
    ["country", "Germany", 'wanted an ISO 3166-1 alpha-2 country code such as "DE", or "XK"'],
  ];
  for (const [type, text, expected] of table) {
    await t.step(`${type} ${text}`, () => {
      const parsed = canonicalRuleValue(type, text);
      assert.equal(parsed.kind === "value" ? parsed.value : `wanted ${parsed.wanted}`, expected);
    });
  }
});
