import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, contains, networkOf } from "../../src/policy/cidr.ts";
import { type IpAddress, ipv4Address, ipv6Address, parseIpAddress } from "../../src/policy/ip_address.ts";
import { IpSet } from "../../src/policy/ip_set.ts";

interface Entry {
  readonly id: number;
  readonly range: Cidr;
}

/** Few distinct bits in the leading and trailing places, so that ranges nest, touch and repeat. */
const bits = fc.integer({ min: 0, max: 7 });
const ipv4 = fc.tuple(bits, bits).map(([high, low]) => ipv4Address(((high << 29) | low) >>> 0));
const ipv6 = fc.tuple(bits, bits, bits, bits).map((words) => {
  const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = words;
  return ipv6Address((word0 << 29) >>> 0, word1, (word2 << 29) >>> 0, word3);
});
const range = fc.oneof(
  fc.tuple(ipv4, fc.constantFrom(0, 1, 2, 3, 8, 29, 30, 31, 32)),
  fc.tuple(ipv6, fc.constantFrom(0, 1, 2, 3, 32, 61, 63, 64, 66, 96, 125, 127, 128)),
).map(([address, prefixLength]) => networkOf(address, prefixLength));
const anyAddress = fc.oneof(ipv4, ipv6);

/** What the set must be: a list that is searched from end to end. */
function naiveLookup(entries: readonly Entry[], address: IpAddress): number[] {
  return entries.filter((entry) => contains(entry.range, address))
    .sort((left, right) => right.range.prefixLength - left.range.prefixLength || left.id - right.id)
    .map((entry) => entry.id);
}

function check(set: IpSet<Entry>, entries: readonly Entry[], addresses: readonly IpAddress[]): void {
  assert.equal(set.size, entries.length);
  const ranges = new Set(entries.map((entry) => entry.range.text)).size;
  assert(set.countNodes() <= Math.max(0, 2 * ranges - 1), "no node without a purpose");
  for (const address of addresses) {
    assert.deepEqual(
      set.lookup(address).map((entry) => entry.id),
      naiveLookup(entries, address),
      address.text,
    );
  }
}

Deno.test("IpSet finds what a list finds, in the same order, after any additions and removals", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: range.map((added) => ({ kind: "add" as const, range: added })) },
    { weight: 2, arbitrary: fc.nat(60).map((index) => ({ kind: "remove" as const, index })) },
    { weight: 1, arbitrary: fc.constant({ kind: "build" as const }) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(anyAddress, { maxLength: 20 }),
      (steps, addresses) => {
        let entries: Entry[] = [];
        let builder = IpSet.empty<Entry>().builder();
        const built: { set: IpSet<Entry>; entries: readonly Entry[] }[] = [];
        for (const [id, change] of steps.entries()) {
          if (change.kind === "add") {
            const entry = { id, range: change.range };
            entries = [...entries, entry];
            assert.equal(builder.add(change.range, entry), true);
            assert.equal(builder.add(change.range, entry), false, "an id is once at a range");
          } else if (change.kind === "remove") {
            const entry = entries[change.index % Math.max(entries.length, 1)];
            if (entry === undefined) continue;
            entries = entries.filter((other) => other !== entry);
            assert.equal(builder.remove(entry.range, entry.id), true);
            assert.equal(builder.remove(entry.range, entry.id), false);
          } else {
            const set = builder.build();
            built.push({ set, entries });
            // Every second time another builder goes on, so that both ways of going on are tried.
            if (built.length % 2 === 0) builder = set.builder();
          }
        }
        built.push({ set: builder.build(), entries });
        // Sets that were built on the way share nodes with those that came later, and must not have changed.
        for (const old of built) {
          check(old.set, old.entries, [...addresses, ...old.entries.map((e) => e.range.address)]);
        }
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("IpSet holds IPv4 and IPv6 apart", () => {
  const everything = networkOf(parseIpAddress("::") as IpAddress, 0);
  const builder = IpSet.empty<Entry>().builder();
  builder.add(everything, { id: 1, range: everything });
  assert.equal(builder.build().lookup(parseIpAddress("192.0.2.1") as IpAddress).length, 0);
  assert.equal(builder.build().lookup(parseIpAddress("2001:db8::1") as IpAddress).length, 1);
});

Deno.test("IpSet.lookup() makes no list when nothing matches", () => {
  const set = IpSet.empty<Entry>();
  const address = parseIpAddress("192.0.2.1") as IpAddress;
  assert.equal(set.lookup(address), set.lookup(address));
});

Deno.test("IpSet removed to nothing is as empty as before", () => {
  const builder = IpSet.empty<Entry>().builder();
  const entries = Array.from(
    { length: 256 },
    (_, id) => ({ id, range: networkOf(ipv4Address(id << 20), 12 + id % 20) }),
  );
  for (const entry of entries) builder.add(entry.range, entry);
  for (const entry of entries) builder.remove(entry.range, entry.id);
  check(builder.build(), [], entries.map((entry) => entry.range.address));
});
