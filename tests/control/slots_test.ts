import assert from "node:assert/strict";
import { Slots } from "../../src/control/slots.ts";
import { ProxyError } from "../../src/errors.ts";
import { LISTENERS_MAX, ROUTES_MAX } from "../../src/observe/counters.ts";
import { listenerOn, routeTo } from "./workers.ts";

Deno.test("assign() gives each listener and route a slot that it keeps", () => {
  const slots = new Slots();
  const listener = (id: number, ...routes: number[]) =>
    listenerOn(id, 443, routes.map((route) => routeTo(route, `${route}.test`, 1)));
  slots.assign({ listeners: [listener(7, 70, 71), listener(9, 90)], firewallRules: [] });
  assert.deepEqual(slots.listeners(), [[7, 0], [9, 1]]);
  assert.deepEqual(slots.routes(), [[70, 0], [71, 1], [90, 2]]);
  slots.assign({ listeners: [listener(9, 91), listener(12, 90)], firewallRules: [] });
  assert.deepEqual([slots.listener(7), slots.listener(9), slots.listener(12)], [0, 1, 2]);
  assert.deepEqual(slots.routes(), [[70, 0], [71, 1], [90, 2], [91, 3]]);
  assert.equal(slots.listener(70), undefined);
});

Deno.test("assign() refuses what the shared memory has no place for", () => {
  const isUnavailable = (error: unknown) => error instanceof ProxyError && error.code === "unavailable";
  const listeners = Array.from({ length: LISTENERS_MAX }, (_, index) => listenerOn(index, 443, []));
  const slots = new Slots();
  slots.assign({ listeners, firewallRules: [] });
  const more = [listenerOn(LISTENERS_MAX, 443, [])];
  assert.throws(() => slots.assign({ listeners: more, firewallRules: [] }), isUnavailable);
  const routes = Array.from({ length: ROUTES_MAX + 1 }, (_, index) => routeTo(index, "a.test", 1));
  const full = { listeners: [listenerOn(1, 443, routes)], firewallRules: [] };
  assert.throws(() => new Slots().assign(full), isUnavailable);
});
