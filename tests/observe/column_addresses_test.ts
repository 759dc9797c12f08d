import assert from "node:assert/strict";
import { isCoarseSlot } from "../../src/observe/address_slots.ts";
import { Column } from "../../src/observe/column.ts";
import { ADDRESS_GAUGES, GAUGE_NONE, sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";
import { type IpAddress, ipv4Address } from "../../src/policy/ip_address.ts";
import { addressesOfOneSet, ipv4, ipv6, SECRET, WAYS } from "./addresses.ts";

const LIMIT = 2;
/** How many more a neighbourhood may have. */
const COARSE = 16;

function memoryOf(workers: number): { memory: SharedMemory; columns: readonly Column[] } {
  const buffer = new ArrayBuffer(sharedMemoryBytes(workers));
  const memory = new SharedMemory(buffer, workers, SECRET);
  return { memory, columns: Array.from({ length: workers }, (_, index) => new Column(buffer, index)) };
}

Deno.test("Column.acquireAddress() holds the limit over all columns, and a release makes room", () => {
  const { columns: [one, two] } = memoryOf(2);
  for (const address of [ipv4(1), ipv4(2), ipv6(1)]) {
    const first = one!.acquireAddress(address, LIMIT);
    const second = two!.acquireAddress(address, LIMIT);
    assert.equal(first, second, "one gauge for both");
    assert.equal(one!.acquireAddress(address, LIMIT), undefined);
    assert.equal(two!.acquireAddress(address, LIMIT), undefined);
    two!.release(second!);
    assert.equal(one!.acquireAddress(address, LIMIT), first);
    assert.equal(two!.acquireAddress(address, LIMIT), undefined);
  }
});

Deno.test("SharedMemory.openOf() tells what an address has open, and claims nothing", () => {
  const { memory, columns: [one, two] } = memoryOf(2);
  const [address, other] = addressesOfOneSet(2, "own", ipv4) as [IpAddress, IpAddress];
  assert.equal(memory.openOf(address), 0);
  const gauge = one!.acquireAddress(address, 9)!;
  two!.acquireAddress(address, 9);
  assert.deepEqual([memory.openOf(address), memory.openOf(other)], [2, 0]);
  one!.release(gauge);
  assert.equal(memory.openOf(address), 1);
});

Deno.test("Column.acquireAddress() counts with its neighbourhood who finds no room, and evicts nobody", () => {
  const { memory, columns: [column] } = memoryOf(1);
  const addresses = addressesOfOneSet(WAYS + 1, "own", ipv4);
  const late = addresses.pop()!;
  const held = addresses.map((address) => column!.acquireAddress(address, LIMIT)!);
  assert.equal(new Set(held).size, WAYS);

  const neighbour = ipv4Address((late.word0 ^ 0xff) >>> 0);
  const gauges = Array.from({ length: LIMIT * COARSE }, () => column!.acquireAddress(late, LIMIT)!);
  assert.equal(new Set(gauges).size, 1);
  assert.ok(isCoarseSlot(gauges[0]! - ADDRESS_GAUGES));
  assert.equal(column!.acquireAddress(late, LIMIT), undefined);
  assert.notEqual(column!.acquireAddress(neighbour, LIMIT), undefined, "a neighbour with room of its own");
  for (const gauge of held) assert.equal(memory.total(gauge), 1);

  column!.release(held[0]!);
  assert.equal(column!.acquireAddress(late, LIMIT), held[0], "room of its own again");
});

Deno.test("Column.acquireAddress() counts nothing when there is no room anywhere", () => {
  const { columns: [column] } = memoryOf(1);
  const fill = (count: number) => {
    for (let site = 0; site < count; site++) {
      column!.acquireAddress(ipv4(site), 1);
    }
  };
  // Far more than the table holds, all live: own slots first, then neighbourhoods' until those are full, too.
  fill(400_000);
  let site = 0;
  while (column!.acquireAddress(ipv6(0, site), 1) !== GAUGE_NONE) assert.ok(site++ < 400_000, "never full");
});

Deno.test("SharedMemory.retire() gives back the addresses' slots of the dead and of nobody else", () => {
  const { memory, columns: [dead, living] } = memoryOf(2);
  const [one, two] = [ipv4(1), ipv4(2)];
  const gauge = dead!.acquireAddress(one, LIMIT)!;
  living!.acquireAddress(one, LIMIT);
  const other = dead!.acquireAddress(two, 1)!;
  assert.equal(living!.acquireAddress(two, 1), undefined);
  assert.deepEqual(memory.retire(0), new Map());
  assert.deepEqual([memory.total(gauge), memory.total(other)], [1, 0]);
  assert.notEqual(living!.acquireAddress(two, 1), undefined);
  assert.notEqual(living!.acquireAddress(one, LIMIT), undefined);
  assert.equal(living!.acquireAddress(one, LIMIT), undefined);
});
