import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ADDRESS_SLOTS,
  ADDRESS_SLOTS_BYTES,
  AddressSlots,
  isCoarseSlot,
  type PrefixScope,
  SECRET_WORDS,
} from "../../src/observe/address_slots.ts";
import { COUNTED_PREFIXES, networkOf } from "../../src/policy/cidr.ts";
import { type IpAddress, ipv4Address, ipv6Address } from "../../src/policy/ip_address.ts";
import { addressesOfOneSet, ipv4, ipv6, SECRET, WAYS } from "./addresses.ts";

/** A table whose slots are live when they are in `live`. */
class Table {
  readonly memory = new ArrayBuffer(ADDRESS_SLOTS_BYTES);
  readonly live = new Set<number>();
  /** How many slots were looked at. */
  looks = 0;
  readonly slots: AddressSlots;

  constructor(secret: Uint32Array = SECRET) {
    this.slots = new AddressSlots(this.memory, 0, secret, (slot) => {
      this.looks++;
      return !this.live.has(slot);
    });
  }

  /** Gives an address its slot and keeps it live. */
  hold(address: IpAddress, scope: PrefixScope = "own"): number | undefined {
    const slot = this.slots.slotOf(address, scope);
    if (slot !== undefined) this.live.add(slot);
    return slot;
  }
}

/** MurmurHash3's finaliser in whole numbers: another spelling than that of the table. */
function mixed(word: number): number {
  const mask = 0xffffffffn;
  let hash = BigInt(word >>> 0);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return Number((hash ^ (hash >> 16n)) & mask);
}

/** Undoes the permutation of a stored key. */
function unpermuted(key: bigint, secret: Uint32Array): [high: number, low: number] {
  let [left, right] = [Number(key >> 32n), Number(key & 0xffffffffn)];
  for (const word of secret.toReversed()) {
    [left, right] = [(right ^ mixed(left ^ word)) >>> 0, left];
  }
  return [left, right];
}

const word = fc.nat(0xffffffff);
const anyAddress = fc.oneof(
  word.map(ipv4Address),
  fc.tuple(word, word, word, word).map((words) => ipv6Address(...words)),
);
const anySecret = fc.uint32Array({ minLength: SECRET_WORDS, maxLength: SECRET_WORDS });
const anyScope = fc.constantFrom<PrefixScope>("own", "coarse");

Deno.test("AddressSlots.slotOf() stores a permutation of the prefix, so that no two can meet", () => {
  const memory = new ArrayBuffer(ADDRESS_SLOTS_BYTES);
  const keys = new BigUint64Array(memory);
  fc.assert(fc.property(anyAddress, anySecret, anyScope, (address, secret, scope) => {
    const slots = new AddressSlots(memory, 0, secret, () => true);
    const slot = slots.slotOf(address, scope)!;
    const { word0, word1 } = networkOf(address, COUNTED_PREFIXES[address.family][scope]).address;
    const prefix = address.family === 4 ? [0xffffffff, word0] : [word0, word1];
    assert.deepEqual(unpermuted(keys[slot]!, secret), prefix);
    assert.equal(isCoarseSlot(slot), scope === "coarse");
    assert.ok(slot >= 0 && slot < ADDRESS_SLOTS);
    keys[slot] = 0n;
  }));
});

Deno.test("AddressSlots.slotOf() gives a prefix one slot and every other prefix another one", () => {
  const table = new Table();
  const slots = new Map<number, string>();
  for (let number = 0; number < 20_000; number++) {
    for (const address of [ipv4(number), ipv6(number)]) {
      const slot = table.hold(address);
      if (slot === undefined) continue;
      assert.equal(slots.get(slot), undefined, address.text);
      slots.set(slot, address.text);
      assert.equal(table.slots.slotOf(address, "own"), slot);
      assert.ok(table.slots.holds(slot, address, "own"));
    }
  }
  assert.ok(slots.size > 39_900, `${slots.size}`);
});

Deno.test("AddressSlots.slotOf() counts IPv6 by /64 and /48, IPv4 by address and /24", () => {
  const table = new Table();
  const rows: [IpAddress, IpAddress, own: boolean, coarse: boolean][] = [
    [ipv6(1, 1, 1), ipv6(1, 1, 2), true, true],
    [ipv6(1, 1), ipv6(2, 1), false, true],
    [ipv6(1, 1), ipv6(1, 2), false, false],
    [ipv4Address(0x0a000001), ipv4Address(0x0a000002), false, true],
    [ipv4Address(0x0a000001), ipv4Address(0x0a000101), false, false],
  ];
  for (const [one, other, own, coarse] of rows) {
    for (const [scope, isSame] of [["own", own], ["coarse", coarse]] as const) {
      assert.equal(table.hold(one, scope) === table.hold(other, scope), isSame, `${one.text} ${other.text}`);
    }
  }
});

Deno.test("AddressSlots.slotOf() says that a set of live entries is full, and gives none of them away", () => {
  for (const scope of ["own", "coarse"] as const) {
    const table = new Table();
    const addresses = addressesOfOneSet(WAYS + 1, scope, scope === "own" ? ipv4 : (site) => ipv6(0, site));
    const late = addresses.pop()!;
    const held = addresses.map((address) => table.hold(address, scope)!);
    assert.equal(new Set(held).size, WAYS);
    assert.equal(table.slots.slotOf(late, scope), undefined);
    assert.deepEqual(addresses.map((address) => table.slots.slotOf(address, scope)), held);

    const freed = held[3]!;
    table.live.delete(freed);
    assert.equal(table.slots.slotOf(late, scope), freed);
    assert.ok(!table.slots.holds(freed, addresses[3]!, scope));
    assert.ok(table.slots.holds(freed, late, scope));
  }
});

Deno.test("AddressSlots.slotOf() claims no slot that has become another's since it was looked at", () => {
  const memory = new ArrayBuffer(ADDRESS_SLOTS_BYTES);
  const live = new Set<number>();
  const [mine, theirs] = addressesOfOneSet(2, "own", ipv4) as [IpAddress, IpAddress];
  const other = new AddressSlots(memory, 0, SECRET, (slot) => !live.has(slot));
  let taken: number | undefined;
  const slots = new AddressSlots(memory, 0, SECRET, (slot) => {
    const isFree = !live.has(slot);
    if (taken === undefined) live.add(taken = other.slotOf(theirs, "own")!);
    return isFree;
  });
  const own = slots.slotOf(mine, "own")!;
  assert.notEqual(own, taken);
  assert.ok(slots.holds(taken!, theirs, "own") && slots.holds(own, mine, "own"));
});

Deno.test("AddressSlots.slotOf() looks at one set and no more, however full the table is", () => {
  const table = new Table();
  for (let number = 0; number < 200_000; number++) {
    table.looks = 0;
    table.hold(ipv4(number));
    assert.ok(table.looks <= WAYS + 1, `${table.looks} looks at ${number}`);
  }
  assert.ok(table.live.size > 120_000);
});

Deno.test("AddressSlots.slotOf() spreads neighbours over the sets by the secret", () => {
  const setsOf = (secret: Uint32Array) => {
    const { slots } = new Table(secret);
    return Array.from(
      { length: 4_096 },
      (_, number) => Math.floor(slots.slotOf(ipv6(number), "own")! / WAYS),
    );
  };
  const first = setsOf(SECRET);
  const second = setsOf(SECRET.map((word, index) => index === 0 ? word ^ 1 : word));
  // 4,096 balls in 16,384 boxes: 3,624 boxes are hit on average, with a deviation of 19.
  assert.ok(new Set(first).size > 3_500, `${new Set(first).size}`);
  const same = first.filter((set, index) => set === second[index]).length;
  assert.ok(same < 10, `${same} of 4,096 stay when a bit of the secret changes`);
});
