import assert from "node:assert/strict";
import { type SlotUser, unusedSlots } from "../../src/proxy/slot_users.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Listener } from "../../src/state/model.ts";
import { buildRuntimeState, type RuntimeState } from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";
import { l4Route, listener } from "../state/configurations.ts";

function stateOf(...listeners: readonly Listener[]): RuntimeState {
  const context = { revision: 1, generation: 0, limits: DEFAULT_LIMITS, blockUnknownCountry: false };
  return runToEnd(buildRuntimeState({ listeners, firewallRules: [] }, context));
}

const A = l4Route(10, "a.test");
const B = l4Route(20, "b.test");
const BEFORE = stateOf(listener(1, "192.0.2.1", [A]), listener(2, "192.0.2.2", [B]));
const NOW = stateOf(listener(1, "192.0.2.1", []));

Deno.test("unusedSlots() keeps what the state or a connection may still count for", async (t) => {
  const rows: readonly [
    name: string,
    connections: readonly SlotUser[],
    listeners: number[],
    routes: number[],
  ][] = [
    ["no connection", [], [2], [10, 20]],
    ["one on a route that is gone", [{ listenerId: 1, route: A, state: BEFORE }], [2], [20]],
    ["one on a listener that is gone", [{ listenerId: 2, route: B, state: BEFORE }], [], [10]],
    [
      "one that may come to any route of its state",
      [{ listenerId: 1, route: undefined, state: BEFORE }],
      [2],
      [],
    ],
    ["one that can come to none of those", [{ listenerId: 1, route: undefined, state: NOW }], [2], [10, 20]],
  ];
  for (const [name, connections, listenerIds, routeIds] of rows) {
    await t.step(name, () => {
      const unused = unusedSlots({ listenerIds: [1, 2], routeIds: [10, 20] }, NOW, connections);
      assert.deepEqual(unused, { listenerIds, routeIds });
    });
  }
});

Deno.test("unusedSlots() keeps what the current state serves", () => {
  const unused = unusedSlots({ listenerIds: [1, 2, 3], routeIds: [10, 20, 30] }, BEFORE, []);
  assert.deepEqual(unused, { listenerIds: [3], routeIds: [30] });
});
