import assert from "node:assert/strict";

import { ProxyError } from "../../src/errors.ts";
import { ConfigurationDraft } from "../../src/state/configuration_draft.ts";
import type { Configuration, FirewallRule, Listener, Route, Seed } from "../../src/state/model.ts";

const ROUTE: Seed<Route> = {
  hostname: "a.test",
  backend: { host: "127.0.0.1", port: 1 },
  enabled: true,
  mode: "l4",
  sendProxyProtocol: false,
  maxConnections: 0,
};
const LISTENER: Listener = {
  id: 3,
  address: { host: "127.0.0.1", port: 443 },
  maxConnections: 0,
  proxyProtocol: false,
  trustedProxies: [],
  routes: [{ ...ROUTE, id: 5 }],
};
const RULE: Seed<FirewallRule> = {
  type: "cidr",
  value: "10.0.0.0/8",
  action: "block",
  mode: "enforce",
  comment: "",
};
const BEFORE: Configuration = { listeners: [LISTENER], firewallRules: [{ ...RULE, id: 7 }] };

function draftOf(configuration = BEFORE): ConfigurationDraft {
  return new ConfigurationDraft(configuration, { listener: 10, route: 20, firewallRule: 30 });
}

Deno.test("ConfigurationDraft gives new items the next ids and keeps everything in order of ids", () => {
  const draft = draftOf();
  draft.addRoute(undefined, { ...ROUTE, hostname: "b.test" });
  const { id: _, ...seed } = LISTENER;
  draft.addListener({ ...seed, address: { host: "127.0.0.1", port: 444 } });
  draft.addRule({ ...RULE, mode: "shadow" });
  draft.updateRoute({ id: 5 }, (route) => ({ ...route, enabled: false }));
  const { listeners, firewallRules } = draft.configuration();
  assert.deepEqual(listeners.map(({ id, routes }) => [id, routes.map((route) => route.id)]), [
    [3, [5, 20]],
    [10, [21]],
  ]);
  assert.deepEqual(firewallRules.map(({ id }) => id), [7, 30]);
  assert.equal(listeners[0]?.routes[0]?.enabled, false);
  assert.equal(BEFORE.listeners[0]?.routes[0]?.enabled, true);
});

Deno.test("ConfigurationDraft removes by id and by place", () => {
  const draft = draftOf();
  assert.equal(draft.removeRule(7).value, RULE.value);
  assert.equal(draft.removeRoute({ listener: LISTENER.address, hostname: "a.test" }).route.id, 5);
  assert.equal(draft.removeListener(LISTENER.address).id, 3);
  assert.deepEqual(draft.configuration(), { listeners: [], firewallRules: [] });
});

Deno.test("ConfigurationDraft refuses a step with its code and field, and stays as it was", () => {
  const { id: _, ...listener } = LISTENER;
  const nowhere = { host: "127.0.0.1", port: 9 };
  const cases: [string, string, string | undefined, (draft: ConfigurationDraft) => unknown][] = [
    ["a hostname twice", "already_exists", "route.hostname", (draft) => draft.addRoute(undefined, ROUTE)],
    [
      "an overlap",
      "already_exists",
      "listener.addr",
      (draft) => draft.addListener({ ...listener, address: { host: "0.0.0.0", port: 443 } }),
    ],
    ["a rule twice", "already_exists", "rule.value", (draft) => draft.addRule(RULE)],
    ["no such listener", "not_found", undefined, (draft) => draft.addRoute(nowhere, ROUTE)],
    ["no such listener id", "not_found", undefined, (draft) => draft.removeListener(1)],
    ["no such route id", "not_found", undefined, (draft) => draft.removeRoute({ id: 1 })],
    [
      "no such hostname",
      "not_found",
      undefined,
      (draft) => draft.removeRoute({ listener: undefined, hostname: "x.test" }),
    ],
    ["no such rule", "not_found", undefined, (draft) => draft.removeRule(1)],
    [
      "a bad backend",
      "invalid",
      "route.backend",
      (draft) =>
        draft.addRoute(undefined, { ...ROUTE, hostname: "b.test", backend: { host: "x y", port: 1 } }),
    ],
    ["a bad rule", "invalid", "rule.value", (draft) => draft.addRule({ ...RULE, value: "10.0.0.1/8" })],
    [
      "a long comment",
      "invalid",
      "rule.comment",
      (draft) => draft.addRule({ ...RULE, value: "11.0.0.0/8", comment: "x".repeat(201) }),
    ],
    [
      "another address",
      "invalid",
      "listener.addr",
      (draft) => draft.updateListener({ ...listener, address: nowhere }, 3),
    ],
  ];
  for (const [name, code, field, act] of cases) {
    const draft = draftOf();
    assert.throws(() => act(draft), (error: unknown) => {
      assert.ok(error instanceof ProxyError, name);
      assert.deepEqual([error.code, error.field], [code, field], `${name}: ${error.message}`);
      return true;
    });
    assert.deepEqual(draft.configuration(), BEFORE, name);
  }
});

Deno.test("ConfigurationDraft wants to be told which listener when there are several", () => {
  const draft = draftOf();
  const { id: _, ...listener } = LISTENER;
  draft.addListener({ ...listener, address: { host: "127.0.0.1", port: 444 } });
  assert.throws(() => draft.addRoute(undefined, ROUTE), /which listener is meant/);
});

Deno.test("ConfigurationDraft.replace() takes a whole configuration with its ids", () => {
  const draft = draftOf();
  draft.addRule({ ...RULE, value: "11.0.0.0/8" });
  draft.replace(BEFORE);
  assert.deepEqual(draft.configuration(), BEFORE);
});

Deno.test("ConfigurationDraft.addRule() looks for a twin among the rules of its value alone", () => {
  let looks = 0;
  const firewallRules = Array.from({ length: 1_000 }, (_, index) => ({
    ...RULE,
    id: index + 1,
    value: `10.0.${index}.0/24`,
    get action() {
      looks++;
      return "block" as const;
    },
  }));
  const draft = new ConfigurationDraft({ listeners: [], firewallRules }, {
    listener: 1,
    route: 1,
    firewallRule: 2_000,
  });
  looks = 0;
  draft.addRule({ ...RULE, value: "10.0.9.0/24", mode: "shadow" });
  assert.equal(looks, 1);
  draft.removeRule(10);
  draft.addRule({ ...RULE, value: "10.0.9.0/24" });
  assert.throws(() => draft.addRule({ ...RULE, value: "10.0.9.0/24" }), /firewall rule 2001 says the same/);
});
