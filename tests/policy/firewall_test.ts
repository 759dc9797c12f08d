import assert from "node:assert/strict";
import fc from "fast-check";
import { contains, parseAddressOrCidr } from "../../src/policy/cidr.ts";
import { type DecisionRule, judgeClient } from "../../src/policy/firewall.ts";
import { type IpAddress, isPrivate, parseIpAddress } from "../../src/policy/ip_address.ts";
import { buildFirewallTables } from "../../src/state/firewall_draft.ts";
import { runToEnd } from "../../src/state/slices.ts";

const NOW_MS = 1_000;

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  assert(parsed !== undefined, text);
  return parsed;
}

/** `block 10.0.0.0/8`, `allow DE shadow`, `block 192.0.2.1 expires 999`; ids count from 0. */
function rules(...lines: readonly string[]): DecisionRule[] {
  return lines.map((line, id) => {
    const [action = "", value = "", ...rest] = line.split(" ");
    assert(action === "block" || action === "allow");
    const expiresAt = rest.indexOf("expires");
    return {
      id,
      action,
      value,
      type: value.includes("/") ? "cidr" : /^[A-Z]+$/.test(value) ? "country" : "ip",
      mode: rest.includes("shadow") ? "shadow" : "enforce",
      ...(expiresAt < 0 ? {} : { expiresAtMs: Number(rest[expiresAt + 1]) }),
    };
  });
}

interface Row {
  readonly name: string;
  readonly rules: readonly string[];
  readonly client?: string;
  readonly country?: string;
  readonly blockUnknown?: true;
  /** `kind`, and the deciding rule's index. */
  readonly expected: string;
  readonly shadowed?: readonly number[];
}

const ORDER = ["block US", "block 192.0.2.0/24", "block 192.0.2.1", "allow 192.0.2.0/25", "allow 192.0.2.1"];

const TABLE: readonly Row[] = [
  { name: "nothing", rules: [], expected: "pass" },
  { name: "another address", rules: ["block 192.0.2.2", "block 10.0.0.0/8"], expected: "pass" },
  { name: "allow by IP is first", rules: ORDER, country: "US", expected: "allow 4" },
  { name: "then allow by CIDR", rules: ORDER.slice(0, 4), country: "US", expected: "allow 3" },
  { name: "then block by IP", rules: ORDER.slice(0, 3), country: "US", expected: "block 2" },
  { name: "then block by CIDR", rules: ORDER.slice(0, 2), country: "US", expected: "block 1" },
  { name: "then block by country", rules: ORDER.slice(0, 1), country: "US", expected: "block 0" },
  { name: "another country", rules: ["block US"], country: "DE", expected: "pass" },
  {
    name: "a wide allow beats a narrow block",
    rules: ["block 192.0.2.1", "allow 0.0.0.0/0"],
    expected: "allow 1",
  },
  {
    name: "the longest prefix is named",
    rules: ["block 192.0.0.0/8", "block 192.0.2.0/24", "block 192.0.0.0/16"],
    expected: "block 1",
  },
  { name: "then the lowest id", rules: ["block 192.0.2.0/24", "block 192.0.2.0/24"], expected: "block 0" },
  { name: "a /32 is a CIDR", rules: ["block 192.0.2.1/32", "block 192.0.2.1"], expected: "block 1" },
  { name: "IPv6", rules: ["block 2001:db8::/32"], client: "2001:db8::1", expected: "block 0" },
  {
    name: "mapped IPv6 is IPv4",
    rules: ["block 192.0.2.1"],
    client: "::ffff:192.0.2.1",
    expected: "block 0",
  },
  { name: "::/0 is not IPv4", rules: ["block ::/0"], expected: "pass" },

  {
    name: "block and allow of one value",
    rules: ["block 192.0.2.1", "allow 192.0.2.1"],
    expected: "allow 1",
  },
  {
    name: "shadow doesn't hide enforce",
    rules: ["block 192.0.2.1 shadow", "block 192.0.2.1"],
    expected: "block 1",
    shadowed: [0],
  },
  {
    name: "enforce doesn't need its shadow",
    rules: ["block 192.0.2.1", "block 192.0.2.1 shadow"],
    expected: "block 0",
  },
  {
    name: "expired doesn't hide live",
    rules: ["block 192.0.2.1 expires 1000", "block 192.0.2.1 expires 1001"],
    expected: "block 1",
  },
  { name: "expires at its very millisecond", rules: ["block 192.0.2.1 expires 1000"], expected: "pass" },
  { name: "an expired shadow isn't counted", rules: ["block 192.0.2.1 expires 1 shadow"], expected: "pass" },
  { name: "an expired allow", rules: ["allow 192.0.2.1 expires 1", "block 192.0.2.1"], expected: "block 1" },

  { name: "shadow only counts", rules: ["block 192.0.2.1 shadow"], expected: "pass", shadowed: [0] },
  {
    name: "shadow in every step",
    rules: [
      "block US shadow",
      "block 192.0.2.0/24 shadow",
      "block 192.0.2.1 shadow",
      "allow 192.0.2.1 shadow",
    ],
    country: "US",
    expected: "pass",
    shadowed: [3, 2, 1, 0],
  },
  {
    name: "no shadow after a decision",
    rules: ["allow 192.0.2.1", "block 192.0.2.1 shadow", "block US shadow"],
    country: "US",
    expected: "allow 0",
  },

  {
    name: "country allow lifts a country block",
    rules: ["block US", "allow US"],
    country: "US",
    expected: "pass 1",
  },
  {
    name: "country allow lifts no other country's",
    rules: ["block US", "allow DE"],
    country: "US",
    expected: "block 0",
  },
  {
    name: "country allow lifts no address block",
    rules: ["block 192.0.2.0/24", "allow US"],
    country: "US",
    expected: "block 0",
  },
  { name: "unknown passes", rules: ["block US"], expected: "pass" },
  { name: "unknown is blocked when asked", rules: [], blockUnknown: true, expected: "block" },
  { name: "known isn't unknown", rules: [], blockUnknown: true, country: "DE", expected: "pass" },
  { name: "allowed unknown passes", rules: ["allow 192.0.2.1"], blockUnknown: true, expected: "allow 0" },
  { name: "private isn't unknown", rules: [], blockUnknown: true, client: "10.1.2.3", expected: "pass" },
  { name: "loopback isn't unknown", rules: [], blockUnknown: true, client: "::1", expected: "pass" },
];

function judge(row: Row, observe?: (rule: DecisionRule, standing: string) => void): string {
  const tables = runToEnd(buildFirewallTables(rules(...row.rules), row.blockUnknown ?? false));
  const facts = { client: address(row.client ?? "192.0.2.1"), nowMs: NOW_MS, country: () => row.country };
  const verdict = judgeClient(facts, tables, observe);
  const rule = verdict.rule === undefined ? "" : ` ${verdict.rule.id}`;
  return `${verdict.kind}${rule} shadowed ${verdict.shadowed.map((shadow) => shadow.id)}`;
}

Deno.test("judgeClient() keeps the order and hides no rule behind another", async (t) => {
  for (const row of TABLE) {
    await t.step(row.name, () => {
      const expected = `${row.expected} shadowed ${row.shadowed ?? []}`;
      assert.equal(judge(row), expected);
      assert.equal(judge(row, () => {}), expected, "watched");
    });
  }
});

Deno.test("judgeClient() asks for the country once, and only if it matters", () => {
  const asked = (lines: readonly string[], blockUnknown: boolean): number => {
    let calls = 0;
    const tables = runToEnd(buildFirewallTables(rules(...lines), blockUnknown));
    judgeClient({ client: address("192.0.2.1"), nowMs: NOW_MS, country: () => void calls++ }, tables);
    return calls;
  };
  assert.equal(asked([], false), 0);
  assert.equal(asked(["block 192.0.2.0/24 shadow"], false), 0);
  assert.equal(asked(["block US", "allow US"], true), 1);
  assert.equal(asked([], true), 1);
  assert.equal(asked(["block US", "block 192.0.2.1"], true), 0, "decided before");
});

Deno.test("judgeClient() tells an observer every matching rule and what became of it", () => {
  const seen: string[] = [];
  judge({
    name: "",
    rules: [
      "allow 192.0.2.1 expires 1",
      "allow 192.0.2.0/24 shadow",
      "block 192.0.2.1",
      "block 192.0.2.0/24 shadow",
      "block US",
      "block DE",
    ],
    country: "US",
    expected: "",
  }, (rule, standing) => seen.push(`${rule.id} ${standing}`));
  assert.deepEqual(seen, ["0 expired", "1 shadow", "2 decided", "3 overridden", "4 overridden"]);
});

const anyRule = fc.tuple(
  fc.constantFrom("block", "allow"),
  fc.constantFrom(
    "192.0.2.1",
    "192.0.2.0/24",
    "192.0.0.0/16",
    "192.0.2.1/32",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::1",
    "US",
  ),
  fc.constantFrom("", "shadow"),
  fc.constantFrom("", "expires 999", "expires 1000", "expires 1001"),
).map((parts) => parts.filter((part) => part !== "").join(" "));

/** The rules in their order, one after the other, no tables. */
function naiveJudge(
  list: readonly DecisionRule[],
  client: IpAddress,
  country: string | undefined,
  strict: boolean,
) {
  const steps = ["allow ip", "allow cidr", "block ip", "block cidr", "allow country", "block country"];
  const prefix = (rule: DecisionRule) => parseAddressOrCidr(rule.value)?.prefixLength ?? 0;
  const matching = list.filter((rule) => {
    if ((rule.expiresAtMs ?? Infinity) <= NOW_MS) return false;
    const range = rule.type === "country" ? undefined : parseAddressOrCidr(rule.value);
    return range === undefined ? rule.value === country : contains(range, client);
  }).sort((left, right) =>
    steps.indexOf(`${left.action} ${left.type}`) - steps.indexOf(`${right.action} ${right.type}`) ||
    prefix(right) - prefix(left) || left.id - right.id
  );
  const at = matching.findIndex((rule) => rule.mode === "enforce");
  const shadowed = matching.slice(0, at < 0 ? undefined : at).map((rule) => rule.id);
  const rule = matching[at];
  const isUnknown = strict && country === undefined && !isPrivate(client);
  const isBlocked = rule === undefined ? isUnknown : rule.action === "block";
  return { id: rule?.id, shadowed, isBlocked };
}

Deno.test("judgeClient() equals going through all rules in their order", () => {
  const clients = fc.constantFrom("192.0.2.1", "192.0.2.2", "192.0.3.1", "10.0.0.1", "2001:db8::1", "::2");
  const countries = fc.constantFrom("US", "DE", undefined);
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 15 }),
      clients,
      countries,
      fc.boolean(),
      (lines, text, country, strict) => {
        const list = rules(...lines);
        const tables = runToEnd(buildFirewallTables(list, strict));
        const facts = { client: address(text), nowMs: NOW_MS, country: () => country };
        const verdict = judgeClient(facts, tables);
        assert.deepEqual(
          {
            id: verdict.rule?.id,
            shadowed: verdict.shadowed.map((rule) => rule.id),
            isBlocked: verdict.kind === "block",
          },
          naiveJudge(list, facts.client, country, strict),
        );
        assert.deepEqual(judgeClient(facts, tables, () => {}), verdict, "watching changes nothing");
      },
    ),
    { numRuns: 1_000 },
  );
});
