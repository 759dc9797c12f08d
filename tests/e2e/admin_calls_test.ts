/**
 * Goal: what the admin API says and changes is what the proxy does, and it is all there again after a kill.
 * Method: the real program with a Unix socket, our own client on it, clients through its listeners.
 *
 * @module
 */

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import {
  FirewallAction,
  FirewallRuleType,
  RouteSchema,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { clientHello } from "../support/client_hello.ts";
import { freePort } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { startServer } from "../support/program.ts";
import { exchange } from "../support/raw_client.ts";
import { ADMIN_SOCKET, adminOf, codeOf } from "./admin_api.ts";
import { eventually } from "./eventually.ts";

const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
  grpc: ADMIN_SOCKET,
  proxy: { workers: 2 },
};

Deno.test("the admin API changes routes, rules and listeners, and a kill loses none of it", async () => {
  await using proxy = await startProxy(TABLES);
  const { folder } = proxy.config;
  {
    await using admin = await adminOf(folder);
    const { api } = admin;
    assert.equal(await codeOf(api.removeRoute({ id: 99 })), "NotFound");
    const { route, revision } = await api.addRoute({
      route: { hostname: "B.test.", backend: "127.0.0.1:1" },
    });
    assert.deepEqual([route?.hostname, route?.id, revision], ["b.test", 2, 2]);
    assert.equal(
      await codeOf(api.addRoute({ route: { hostname: "b.test", backend: "127.0.0.1:1" } })),
      "AlreadyExists",
    );
    assert.equal(
      await codeOf(api.addRoute({ route: { hostname: "c.test", backend: "x" } })),
      "InvalidArgument",
    );
    assert.equal(await codeOf(api.removeRoute({ id: 2, expectedRevision: 1 })), "Aborted");
    const updated = await api.updateRoute({
      route: { id: 2, enabled: false },
      updateMask: { paths: ["enabled"] },
    });
    assert.deepEqual([updated.route?.enabled, updated.route?.backend], [false, "127.0.0.1:1"]);
    const rule = { type: FirewallRuleType.CIDR, value: "192.0.2.0/24" };
    assert.equal((await api.addFirewallRule({ rule })).rule?.id, 1);
    const addr = `127.0.0.1:${freePort()}`;
    await api.addListener({
      listener: { addr, routes: [create(RouteSchema, { hostname: "*", backend: "127.0.0.1:1" })] },
    });
    const told = exchange(addr, clientHello({ serverName: "x.test" }));
    assert.equal((await told).bytes.at(-1), 80);
    assert.equal((await api.removeListener({ addr })).revision, 6);
    await assert.rejects(
      exchange(addr, clientHello({ serverName: "x.test" })),
      /ECONNREFUSED/,
    );
  }
  proxy.program.signal("SIGKILL");
  await proxy.program.completed();
  await using again = await startServer(proxy.config.path);
  assert.ok(again.pid > 0);
  await using admin = await adminOf(folder);
  const { api } = admin;
  const { routes, revision } = await api.listRoutes({});
  assert.deepEqual([revision, routes.map(({ hostname }) => hostname)], [6, ["a.test", "b.test"]]);
  assert.equal((await api.getFirewallRules({})).rules[0]?.value, "192.0.2.0/24");
  const { revisions } = await api.listRevisions({ withChanges: true, limit: 2 });
  assert.match(revisions[0]!.changes.map(({ summary }) => summary).join("\n"), /^- route .* \* -> 127/m);
  assert.match(revisions[0]!.author, /^uid:\d+$/);
  await api.rollback({ revision: 1 });
  assert.equal((await api.listRoutes({})).routes.length, 1);
  assert.equal((await api.diffRevisions({ from: 1, to: 7 })).changes.length, 0);
  const summaries = async (request: { from?: number; to?: number }) =>
    (await api.diffRevisions(request)).changes.map(({ summary }) =>
      summary.replaceAll(proxy.addr, "LISTENER")
    );
  const seed = ["+ listener LISTENER", "+ route LISTENER a.test -> 127.0.0.1:1"];
  assert.deepEqual(await summaries({ to: 1 }), seed, "the seed is compared with nothing");
  const added = ["+ route LISTENER b.test -> 127.0.0.1:1"];
  assert.deepEqual(await summaries({ to: 2 }), added);
  const disabled = [
    "~ route LISTENER b.test -> 127.0.0.1:1 => route LISTENER b.test -> 127.0.0.1:1 (disabled)",
  ];
  assert.deepEqual(await summaries({ from: 2, to: 3 }), disabled);
  assert.deepEqual(await summaries({ from: 2, to: 1 }), ["- route LISTENER b.test -> 127.0.0.1:1"]);
  assert.deepEqual(await summaries({}), await summaries({ from: 6, to: 7 }));
});

Deno.test("TryRules says how many of the last connections other rules would decide otherwise", async () => {
  await using proxy = await startProxy(TABLES);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  for (const serverName of ["x.test", "a.test"]) {
    const from = proxy.program.events.length;
    await exchange(proxy.addr, clientHello({ serverName }));
    await proxy.program.connectionEvent({ sni: serverName }, 10_000, from);
  }
  const candidate = { type: FirewallRuleType.CIDR, value: "127.0.0.0/8" };
  const tried = await api.tryRules({ rules: [candidate] });
  assert.deepEqual([tried.tried, tried.newlyBlocked, tried.examples[0]?.after], [2, 2, "blocked_cidr"]);
  assert.deepEqual([tried.examples.length, tried.examples[0]?.rule], [2, "cidr:127.0.0.0/8"]);
  assert.equal((await api.tryRules({ rules: [candidate], examplesMax: 1 })).examples.length, 1);
  await api.addFirewallRule({ rule: candidate });
  const none = await api.tryRules({ rules: [] });
  assert.deepEqual([none.changed, none.newlyAdmitted, none.examples[0]?.before], [2, 2, "blocked_cidr"]);
  const allow = { type: FirewallRuleType.IP, value: "127.0.0.1", action: FirewallAction.ALLOW };
  assert.equal((await api.tryRules({ rules: [allow], inAddition: true })).newlyAdmitted, 2);
  const other = { type: FirewallRuleType.IP, value: "192.0.2.1" };
  assert.equal((await api.tryRules({ rules: [other], inAddition: true })).changed, 0);
  assert.equal((await api.getStatus({})).status?.revision, 2);
});

Deno.test("an unconfirmed Apply takes itself back, and a confirmed one stays", async () => {
  await using proxy = await startProxy(TABLES);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const operations = [{
    operation: {
      case: "addRoute" as const,
      value: create(RouteSchema, { hostname: "b.test", backend: "127.0.0.1:1" }),
    },
  }];
  const dry = await api.apply({ operations, dryRun: true });
  assert.deepEqual([dry.revision, dry.changes.length], [1, 1]);
  const from = proxy.program.events.length;
  const { confirmDeadline } = await api.apply({ operations, confirmWithin: { seconds: 1n } });
  assert.ok(confirmDeadline !== undefined);
  await proxy.program.event((event) => event["kind"] === "revert", 10_000, from);
  assert.equal((await api.listRoutes({})).routes.length, 1);
  assert.equal(await codeOf(api.confirm({})), "FailedPrecondition");
  await api.apply({ operations, confirmWithin: { seconds: 3_600n } });
  assert.equal(await codeOf(api.removeRoute({ id: 1 })), "FailedPrecondition");
  assert.equal((await api.getStatus({})).status?.pendingConfirm?.revertTo, 3);
  assert.equal((await api.confirm({})).revision, 4);
  assert.equal((await api.listRoutes({})).routes.length, 2);
});

Deno.test("an Apply whose time is over while the program is down is taken back before anything is served", async () => {
  await using proxy = await startProxy(TABLES);
  {
    await using admin = await adminOf(proxy.config.folder);
    const value = create(RouteSchema, { hostname: "b.test", backend: "127.0.0.1:1" });
    const operations = [{ operation: { case: "addRoute" as const, value } }];
    await admin.api.apply({ operations, confirmWithin: { seconds: 1n } });
    proxy.program.signal("SIGKILL");
    await proxy.program.completed();
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await using again = await startServer(proxy.config.path);
  assert.ok(again.events.some((event) => event["event"] === "ready" && event["revision"] === 3));
  await using admin = await adminOf(proxy.config.folder);
  assert.equal((await admin.api.listRoutes({})).routes.length, 1);
});

Deno.test("a rule with a time to live is gone when it is over, and the same call twice is made once", async () => {
  await using proxy = await startProxy(TABLES);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const rule = { type: FirewallRuleType.COUNTRY, value: "DE" };
  assert.equal(await codeOf(api.addFirewallRule({ rule })), "InvalidArgument");
  const from = proxy.program.events.length;
  const ip = { type: FirewallRuleType.IP, value: "192.0.2.1" };
  await api.addFirewallRule({ rule: ip, ttl: { seconds: 0n, nanos: 300_000_000 } });
  await proxy.program.event((event) => event["kind"] === "expiry", 10_000, from);
  assert.equal((await api.getFirewallRules({})).rules.length, 0);
  const headers = { "idempotency-key": "k1" };
  const first = await api.addFirewallRule({ rule: ip }, { headers });
  const second = await api.addFirewallRule({ rule: ip }, { headers });
  assert.deepEqual([second.revision, second.rule?.id], [first.revision, first.rule?.id]);
  assert.equal(await codeOf(api.removeFirewallRule({ id: 1 }, { headers })), "InvalidArgument");
  assert.equal((await api.getFirewallRules({})).rules.length, 1);
});

Deno.test("connections are listed, watched and closed with a RST", async () => {
  await using proxy = await startProxy(TABLES);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const stop = new AbortController();
  const watch = api.watchConnections({}, { signal: stop.signal })[Symbol.asyncIterator]();
  const next = watch.next();
  using waiting = await Deno.connect({ hostname: "127.0.0.1", port: Number(proxy.addr.split(":")[1]) });
  await waiting.write(clientHello({ serverName: "a.test" }).subarray(0, 5));
  const filter = { client: "127.0.0.0/8" };
  // It is connected before its worker has accepted it.
  const [listed] = await eventually("the connection in the list", async () => {
    const { connections } = await api.listConnections({ filter });
    return connections.length > 0 && connections;
  });
  assert.equal((await api.listConnections({ filter: { client: "10.0.0.0/8" } })).total, 0);
  assert.equal(await codeOf(api.closeConnections({})), "InvalidArgument");
  assert.equal((await api.closeConnections({ filter: { ids: [listed!.id] } })).closed, 1);
  await assert.rejects(waiting.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  const told = await next;
  assert.deepEqual([told.value?.event?.reason, told.value?.event?.id], ["killed", listed!.id]);
  stop.abort();
  await assert.rejects(watch.next());
});

Deno.test("status, metrics, export and snapshot tell of the same revision", async () => {
  await using proxy = await startProxy(TABLES);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const { status } = await api.getStatus({});
  assert.deepEqual([status?.isHealthy, status?.workers.length, status?.revision], [true, 2, 1]);
  assert.match((await api.getMetrics({})).text, /^mcproxy_config_revision 1$/m);
  const { toml } = await api.exportConfig({});
  assert.match(toml, /hostname = "a.test"/);
  const path = `${proxy.config.folder}/copy.db`;
  const made = await api.createSnapshot({ path });
  assert.deepEqual([made.path, made.revision], [path, 1]);
  assert.equal(await codeOf(api.createSnapshot({ path })), "Unavailable");
  assert.equal((await api.reload({})).results.length, 0);
  assert.equal((await Deno.stat(`${proxy.config.folder}/admin.sock`)).mode! & 0o777, 0o600);
  proxy.program.signal("SIGTERM");
  assert.equal((await proxy.program.completed()).code, 0);
  await assert.rejects(Deno.stat(`${proxy.config.folder}/admin.sock`), Deno.errors.NotFound);
});
