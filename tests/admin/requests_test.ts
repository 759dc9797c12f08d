import assert from "node:assert/strict";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { listenerMessage, routeMessage, ruleMessage } from "../../src/admin/answers.ts";
import {
  type FirewallAction,
  FirewallRuleSchema,
  ListenerSchema,
  type RouteMode,
  RouteSchema,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { readListener, readRoute, readRouteUpdate, readRule } from "../../src/admin/requests.ts";
import { ProxyError } from "../../src/errors.ts";
import { CONFIGURATION } from "../store/fixtures.ts";

function without<T extends { readonly id: number }>({ id: _, ...rest }: T): Omit<T, "id"> {
  return rest;
}

Deno.test("readListener() gives back what listenerMessage() wrote, over the wire", () => {
  for (const listener of CONFIGURATION.listeners) {
    const bytes = toBinary(ListenerSchema, listenerMessage(listener));
    const expected = { ...without(listener), routes: listener.routes.map(without) };
    assert.deepEqual(readListener(fromBinary(ListenerSchema, bytes)), expected);
  }
});

Deno.test("readRoute() gives back what routeMessage() wrote, over the wire", () => {
  for (const listener of CONFIGURATION.listeners) {
    for (const route of listener.routes) {
      const bytes = toBinary(RouteSchema, routeMessage(route, listener));
      assert.deepEqual(readRoute(fromBinary(RouteSchema, bytes)), without(route));
    }
  }
});

Deno.test("readRule() gives back what ruleMessage() wrote, over the wire", () => {
  for (const rule of CONFIGURATION.firewallRules) {
    const bytes = toBinary(FirewallRuleSchema, ruleMessage(rule));
    assert.deepEqual(readRule(fromBinary(FirewallRuleSchema, bytes)), without(rule));
  }
});

Deno.test("readRouteUpdate() changes what the mask names and nothing else", () => {
  const route = CONFIGURATION.listeners[0]!.routes[0]!;
  const message = create(RouteSchema, { backend: "127.0.0.1:9", enabled: false, maxConnections: 7 });
  const read = (paths: string[]) => readRouteUpdate(route, message, paths);
  assert.deepEqual(read(["backend"]), {
    ...without(route),
    id: route.id,
    backend: { host: "127.0.0.1", port: 9 },
  });
  assert.equal(read(["enabled"]).enabled, false);
  assert.equal(read(["enabled"]).backend, route.backend);
  assert.equal(read([]).maxConnections, 7);
  assert.equal(read([]).hostname, route.hostname);
  assert.throws(() => read(["nothing"]), /update_mask/);
});

Deno.test("requests are refused with the field that is wrong", () => {
  const route = { hostname: "a.test", backend: "127.0.0.1:1" };
  const l7 = { tlsCert: "/c", tlsKey: "/k" };
  const cases: [field: string, act: () => unknown][] = [
    ["route.hostname", () => readRoute(create(RouteSchema, { ...route, hostname: "a b" }))],
    ["route.backend", () => readRoute(create(RouteSchema, { ...route, backend: "nowhere" }))],
    ["route.mode", () => readRoute(create(RouteSchema, { ...route, mode: 9 as RouteMode }))],
    [
      "route.l7.tls_key",
      () => readRoute(create(RouteSchema, { ...route, mode: 2, l7: { ...l7, tlsKey: "k" } })),
    ],
    ["listener.addr", () => readListener(create(ListenerSchema, { addr: "localhost:1" }))],
    [
      "listener.trusted_proxies[0]",
      () => readListener(create(ListenerSchema, { addr: "127.0.0.1:1", trustedProxies: ["x"] })),
    ],
    [
      "listener.routes[0].backend",
      () =>
        readListener(create(ListenerSchema, { addr: "127.0.0.1:1", routes: [{ ...route, backend: "" }] })),
    ],
    ["rule.type", () => readRule(create(FirewallRuleSchema, { value: "192.0.2.1" }))],
    ["rule.value", () => readRule(create(FirewallRuleSchema, { type: 2, value: "10.0.0.1/8" }))],
    [
      "rule.action",
      () =>
        readRule(create(FirewallRuleSchema, { type: 1, value: "192.0.2.1", action: 9 as FirewallAction })),
    ],
  ];
  for (const [field, act] of cases) {
    assert.throws(act, (error: unknown) => {
      assert.ok(error instanceof ProxyError, field);
      assert.deepEqual([error.code, error.field], ["invalid", field]);
      return true;
    });
  }
});
