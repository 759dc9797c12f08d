import assert from "node:assert/strict";
import { ADDRESS_SLOTS_BYTES, AddressSlots } from "../../src/observe/address_slots.ts";
import { RATE_TABLE_BYTES, type RateLimit, RateTable } from "../../src/observe/rate_table.ts";
import { type IpAddress, ipv4Address, ipv6Address } from "../../src/policy/ip_address.ts";
import { addressesOfOneSet, ipv4, ipv6, SECRET, WAYS } from "./addresses.ts";

const LIMIT: RateLimit = { ratePerSecond: 1, burst: 4 };
/** How much a neighbourhood may do more. */
const COARSE = 16;

/** A table with a clock that the test sets. */
class Table {
  nowMs = 1_000_000;
  /** Times that an address had no room of its own. */
  coarse = 0;
  readonly rates = new RateTable(
    new ArrayBuffer(RATE_TABLE_BYTES),
    0,
    SECRET,
    () => this.nowMs,
    () => this.coarse++,
  );

  take(address: IpAddress, limit = LIMIT): boolean {
    return this.rates.take(address, limit);
  }

  /** How many of `attempts` were granted. */
  granted(address: IpAddress, attempts: number, limit = LIMIT): number {
    return Array.from({ length: attempts }, () => this.take(address, limit)).filter(Boolean).length;
  }
}

Deno.test("RateTable.take() grants a burst, then what the rate brings", () => {
  const table = new Table();
  const limit = { ratePerSecond: 5, burst: 10 };
  assert.equal(table.granted(ipv4(1), 25, limit), 10);
  for (let step = 0; step < 30; step++) {
    table.nowMs += 100;
    assert.equal(table.granted(ipv4(1), 3, limit), step % 2, `${step}`);
  }
  table.nowMs += 60_000;
  assert.equal(table.granted(ipv4(1), 25, limit), 10);
});

Deno.test("RateTable.hasToken() says what take() will, and takes nothing", () => {
  const table = new Table();
  const addresses = [ipv4(1), ipv4(2), ...Array.from({ length: 40 }, (_, subnet) => ipv6(subnet, 7))];
  for (let step = 0; step < 600; step++) {
    const address = addresses[step * 7 % addresses.length]!;
    const hasToken = table.rates.hasToken(address, LIMIT);
    assert.equal(table.rates.hasToken(address, LIMIT), hasToken);
    assert.equal(table.take(address), hasToken, `step ${step}`);
    table.nowMs += step % 100 === 0 ? 2_000 : 1;
  }
});

Deno.test("RateTable.take() keeps every address to itself", () => {
  const table = new Table();
  for (let number = 0; number < 5_000; number++) assert.equal(table.granted(ipv4(number), 6), 4, `${number}`);
  assert.equal(table.coarse, 0);
});

Deno.test("RateTable.take() counts IPv6 by /64, whichever host it is", () => {
  const table = new Table();
  const granted = Array.from({ length: 10 }, (_, host) => table.take(ipv6(1, 1, host)));
  assert.deepEqual(granted, Array.from({ length: 10 }, (_, host) => host < LIMIT.burst));
});

Deno.test("RateTable.take() grants a /48 sixteen times a /64's burst and rate", () => {
  const table = new Table();
  const all = () => Array.from({ length: 40 }, (_, subnet) => table.granted(ipv6(subnet, 7), 5));
  const first = all();
  assert.deepEqual(first, first.map((_, subnet) => subnet < COARSE ? LIMIT.burst : 0));
  table.nowMs += 1_000;
  // One more for each of the first sixteen, which is all that the /48 has.
  assert.deepEqual(all(), first.map((_, subnet) => subnet < COARSE ? 1 : 0));
  assert.equal(table.granted(ipv6(0, 8), 5), LIMIT.burst, "another /48");
});

Deno.test("RateTable.take() takes no token of a /64 when its /48 has none", () => {
  const table = new Table();
  for (let subnet = 0; subnet < COARSE; subnet++) table.granted(ipv6(subnet), LIMIT.burst);
  assert.equal(table.granted(ipv6(100), 20), 0);
  table.nowMs += 250; // four tokens of the /48, a quarter of one of a /64
  assert.equal(table.granted(ipv6(100), 20), LIMIT.burst);
});

Deno.test("RateTable.take() decides by the neighbourhood what finds no room, and evicts nobody", () => {
  const table = new Table();
  const addresses = addressesOfOneSet(WAYS + 1, "own", ipv4);
  const late = addresses.pop()!;
  // One token each is left: a live entry that was evicted would have four again.
  for (const address of addresses) assert.equal(table.granted(address, 3), 3);
  assert.equal(table.coarse, 0);
  const coarseBurst = LIMIT.burst * COARSE;
  assert.equal(table.granted(late, coarseBurst + 10), coarseBurst);
  assert.equal(table.coarse, coarseBurst + 10);
  // Who has a slot isn't held against its neighbourhood.
  for (const address of addresses) assert.equal(table.granted(address, 3), 1);
  const neighbour = ipv4Address((late.word0 & 0xffffff00) >>> 0);
  assert.equal(table.granted(neighbour, 3), 3, "a neighbour with room of its own");

  table.nowMs += LIMIT.burst * 1_000;
  table.coarse = 0;
  assert.equal(table.granted(late, 6), LIMIT.burst, "a full bucket has made room");
  assert.equal(table.coarse, 0);
});

Deno.test("RateTable.take() gives the place of a /48 whose bucket is full again to another one", () => {
  const table = new Table();
  const sites = addressesOfOneSet(WAYS + 1, "coarse", (site) => ipv6(0, site));
  const late = sites.pop()!;
  const granted = () => {
    const subnets = Array.from({ length: 20 }, (_, number) => (late.word1 | number + 1) >>> 0);
    return subnets.reduce(
      (sum, word1) => sum + table.granted(ipv6Address(late.word0, word1, 0, 1), LIMIT.burst),
      0,
    );
  };
  for (const site of sites) assert.ok(table.take(site));
  assert.equal(granted(), 20 * LIMIT.burst, "no room for its /48");
  table.nowMs += LIMIT.burst * 1_000;
  assert.equal(granted(), COARSE * LIMIT.burst, "its /48 has a bucket");
});

Deno.test("RateTable.take() takes of its own bucket alone, wherever another process comes between", () => {
  for (let at = 1; at <= 3; at++) {
    const memory = new ArrayBuffer(RATE_TABLE_BYTES);
    const nowMs = 1_000_000;
    const [mine, theirs] = addressesOfOneSet(2, "own", ipv4) as [IpAddress, IpAddress];
    const other = new RateTable(memory, 0, SECRET, () => nowMs, () => {});
    // Each look at the clock is a moment between two looks at the table.
    let looks = 0;
    const rates = new RateTable(memory, 0, SECRET, () => {
      if (++looks === at) assert.ok(other.take(theirs, LIMIT));
      return nowMs;
    }, () => {});
    assert.ok(rates.take(mine, LIMIT));
    assert.ok(looks >= at, `${looks} looks`);
    for (const address of [mine, theirs]) {
      const granted = Array.from({ length: 10 }, () => other.take(address, LIMIT)).filter(Boolean).length;
      assert.equal(granted, LIMIT.burst - 1, `${address.text}, look ${at}`);
    }
  }
});

Deno.test("RateTable.take() lets in who finds no room anywhere, and says so", () => {
  const table = new Table();
  const limit = { ratePerSecond: 1, burst: 1 };
  const addresses = addressesOfOneSet(WAYS + 1, "own", ipv4);
  const late = addresses.pop()!;
  for (const address of addresses) assert.equal(table.granted(address, 2, limit), 1);
  // Sites in the set of `late`'s /24.
  const slots = new AddressSlots(new ArrayBuffer(ADDRESS_SLOTS_BYTES), 0, SECRET, () => true);
  const setOf = (address: IpAddress) => Math.floor(slots.slotOf(address, "coarse")! / WAYS);
  const full = setOf(late);
  let site = 0;
  for (let filled = 0; filled < WAYS; site++) {
    const address = ipv6(0, site);
    if (setOf(address) !== full) continue;
    filled++;
    assert.equal(table.granted(address, 2, limit), 1);
  }
  assert.equal(table.coarse, 0);
  assert.equal(table.granted(late, 100, limit), 100);
  assert.equal(table.coarse, 100);
  while (setOf(ipv6(0, site)) !== full) site++;
  assert.equal(table.granted(ipv6(0, site), 3, limit), 1, "a /64 with room of its own, whose /48 has none");
});

Deno.test("RateTable.take() stays in its memory and as fast when a million prefixes come", () => {
  const table = new Table();
  const limit = { ratePerSecond: 10, burst: 2 };
  const half = (from: number) => {
    const startMs = performance.now();
    for (let number = from; number < from + 500_000; number++) {
      table.take(ipv6(number & 0xffff, number >>> 4), limit);
      // 20,000 a second.
      if (number % 20 === 0) table.nowMs++;
    }
    return performance.now() - startMs;
  };
  const [first, second] = [half(0), half(500_000)];
  assert.ok(second < first * 3 + 500, `${first} ms, then ${second} ms`);
  assert.equal(table.granted(ipv4(77), 5, limit), 2, "an honest client");
});
