import assert from "node:assert/strict";
import { Slots } from "../../src/control/slots.ts";
import { ProxyError } from "../../src/errors.ts";
import { LISTENERS_MAX, ROUTES_MAX } from "../../src/observe/counters.ts";
import { diffConfiguration, EMPTY_CONFIGURATION } from "../../src/state/diff.ts";
import type { Configuration } from "../../src/state/model.ts";
import { listenerOn, routeTo } from "./workers.ts";

/** Listeners by their ids, each with the ids of its routes. */
function configurationOf(...listeners: readonly [id: number, ...routeIds: number[]][]): Configuration {
  return {
    listeners: listeners.map(([id, ...routeIds]) =>
      listenerOn(id, 443, routeIds.map((routeId) => routeTo(routeId, `${routeId}.test`, 1)))
    ),
    firewallRules: [],
  };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof ProxyError && error.code === "unavailable";
}

Deno.test("Slots.assign() gives each listener and route a slot that it keeps", () => {
  const slots = new Slots();
  const first = configurationOf([7, 70, 71], [9, 90]);
  slots.assign(first);
  assert.deepEqual(slots.putBy(diffConfiguration(EMPTY_CONFIGURATION, first)), {
    listenerSlots: [[7, 0], [9, 1]],
    routeSlots: [[70, 0], [71, 1], [90, 2]],
  });
  const second = configurationOf([9, 91], [12, 90]);
  slots.assign(second);
  assert.deepEqual([7, 9, 12].map((id) => slots.listener(id)), [0, 1, 2]);
  assert.deepEqual([70, 71, 90, 91].map((id) => slots.route(id)), [0, 1, 2, 3]);
  assert.deepEqual(slots.idle(second), { listenerIds: [7], routeIds: [70, 71] });
  assert.deepEqual(slots.idle(first, second), { listenerIds: [], routeIds: [] });
  assert.equal(slots.listener(70), undefined);
});

Deno.test("Slots.putBy() tells the slot of what comes back, too", () => {
  const slots = new Slots();
  const [one, other] = [configurationOf([1, 10]), configurationOf([2, 20])];
  slots.assign(one);
  slots.release({ listenerIds: [1], routeIds: [10] });
  slots.assign(other);
  slots.assign(one);
  assert.deepEqual(slots.putBy(diffConfiguration(other, one)), {
    listenerSlots: [[1, 1]],
    routeSlots: [[10, 1]],
  });
});

Deno.test("Slots.release() lets more than 16,384 routes come and go, no two of them in one slot", () => {
  const slots = new Slots();
  const standing = configurationOf([1, 1, 2, 3]);
  slots.assign(standing);
  const own = [1, 2, 3].map((id) => slots.route(id));
  for (let id = 4; id < 2 * ROUTES_MAX; id++) {
    const next = configurationOf([1, 1, 2, 3, id]);
    if (!slots.hasRoomFor(next)) {
      const idle = slots.idle(next);
      assert.equal(idle.routeIds.length, ROUTES_MAX - 3);
      slots.release(idle);
    }
    slots.assign(next);
    const slot = slots.route(id)!;
    assert.ok(slot < ROUTES_MAX && !own.includes(slot), `route ${id} has slot ${slot}`);
  }
  assert.deepEqual([1, 2, 3].map((id) => slots.route(id)), own);
});

Deno.test("Slots.assign() refuses what the shared memory has no place for, and gives nothing then", () => {
  const slots = new Slots();
  const ids = Array.from({ length: LISTENERS_MAX }, (_, index): [number] => [index + 1]);
  slots.assign(configurationOf(...ids));
  const more = configurationOf([LISTENERS_MAX + 1, 5]);
  assert.ok(!slots.hasRoomFor(more));
  assert.throws(() => slots.assign(more), isUnavailable);
  assert.equal(slots.route(5), undefined);
  const routeIds = Array.from({ length: ROUTES_MAX + 1 }, (_, index) => index + 1);
  assert.throws(() => new Slots().assign(configurationOf([1, ...routeIds])), isUnavailable);
});
