/**
 * What a connection pays for its decisions, and what a change of rules costs, with 100,000 ranges.
 *
 * Run with `deno bench tests/bench/policy_bench.ts`. Each answer is checked before it is timed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { admit, type AdmitFacts } from "../../src/policy/decide.ts";
import { type IpAddress, parseIpAddress } from "../../src/policy/ip_address.ts";
import { nextBucket } from "../../src/policy/rate_limit.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { FirewallRule } from "../../src/state/model.ts";
import {
  buildRuntimeState,
  changeRuntimeState,
  type RuntimeStateContext,
} from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";

const RULES = 100_000;
const CONTEXT: RuntimeStateContext = {
  revision: 1,
  generation: 1,
  limits: DEFAULT_LIMITS,
  blockUnknownCountry: false,
};

/** Ranges of /17 to /32 and /33 to /64, spread by a multiplicative sequence; the first bit is always 1. */
function rules(count: number): FirewallRule[] {
  return Array.from({ length: count }, (_, id) => {
    const hash = Math.imul(id + 1, 0x9e3779b1) >>> 1;
    const mode = "enforce" as const;
    if (id % 4 === 0) {
      const value = `${(0x8000 | (hash >>> 16)).toString(16)}:${((hash & 0xfffe) | 1).toString(16)}::/32`;
      return { id, type: "cidr", value, action: "block", mode, comment: "" };
    }
    const bits = 17 + (id % 16);
    const word = (((0x80000000 | hash) >>> (32 - bits)) << (32 - bits)) >>> 0;
    const octets = [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join(".");
    return { id, type: "cidr", value: `${octets}/${bits}`, action: "block", mode, comment: "" };
  });
}

function facts(text: string): AdmitFacts {
  return {
    client: parseIpAddress(text) as IpAddress,
    nowMs: 1_000,
    country: () => undefined,
    takeRateToken: () => true,
    overLimit: () => false,
  };
}

const CONFIGURATION = { listeners: [], firewallRules: rules(RULES) };
const STATE = runToEnd(buildRuntimeState(CONFIGURATION, CONTEXT));
const EMPTY = runToEnd(buildRuntimeState({ listeners: [], firewallRules: [] }, CONTEXT));
const BLOCKED = facts(CONFIGURATION.firewallRules[99_999]?.value.split("/")[0] ?? "");
const PASSED = facts("127.0.0.1");
// Every first bit of a rule is 1: this one walks the trie's other half. The next shares a rule's first bits.
const NEAR = facts("129.7.200.3");
assert.equal(admit(BLOCKED, STATE).kind, "deny");
assert.equal(admit(PASSED, STATE).kind, "admit");
assert.equal(admit(PASSED, EMPTY), admit(PASSED, STATE), "the common verdict is one shared object");

Deno.bench("admit, no rules", { group: "admit", baseline: true }, () => void admit(PASSED, EMPTY));
Deno.bench("admit, 100,000 ranges, far from any", { group: "admit" }, () => void admit(PASSED, STATE));
Deno.bench("admit, 100,000 ranges, near some", { group: "admit" }, () => void admit(NEAR, STATE));
Deno.bench("admit, 100,000 ranges, blocked", { group: "admit" }, () => void admit(BLOCKED, STATE));

Deno.bench("parse an IPv4 address", { group: "parse" }, () => void parseIpAddress("203.0.113.77"));
Deno.bench("parse an IPv6 address", { group: "parse" }, () => void parseIpAddress("2001:db8:1:2:3:4:5:6"));

let word = 0n;
let nowMs = 0;
Deno.bench("take a rate token", { group: "rate" }, () => {
  word = nextBucket(word, nowMs++, 50, 100).word;
});

const ADDED: FirewallRule = {
  id: RULES,
  type: "cidr",
  value: "203.0.113.0/24",
  action: "block",
  mode: "enforce",
  comment: "",
};
Deno.bench("build 100,000 ranges", { group: "build" }, () => {
  assert.equal(runToEnd(buildRuntimeState(CONFIGURATION, CONTEXT)).firewall.addresses.size, RULES);
});
Deno.bench("add one to 100,000 ranges", { group: "build" }, () => {
  const next = runToEnd(changeRuntimeState(STATE, [{ kind: "rule_put", rule: ADDED }], CONTEXT));
  assert.equal(next.firewall.addresses.size, RULES + 1);
});
