/**
 * Goal: what the clock is to change, it changes, also when the program was killed meanwhile; and a call that was
 * answered is answered again.
 * Method: the real program, killed with SIGKILL between a call and its time, and started again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AdminClient } from "../../src/admin/client.ts";
import { FirewallRuleType, RevisionKind } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { clientHello } from "../support/client_hello.ts";
import { type LogEvent, type Program, startServer } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf, codeOf, refusalOf } from "./admin_api.ts";
import { applied, BACKEND, IP, route } from "./admin_calls.ts";
import { pause } from "./eventually.ts";

const CLIENT = { type: FirewallRuleType.IP, value: "127.0.0.5" };

function start(): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: BACKEND }] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
}

/** Kills the program, waits until `untilMs` (Unix), and starts it again on the same database. */
async function killed(proxy: Proxy, untilMs = 0): Promise<Program> {
  proxy.program.signal("SIGKILL");
  await proxy.program.completed();
  await pause(Math.max(0, untilMs - Date.now()));
  return await startServer(proxy.config.path);
}

/** The kinds of all revisions, oldest first. */
async function kinds(api: AdminClient["api"]): Promise<string[]> {
  const { revisions } = await api.listRevisions({});
  return revisions.map(({ kind }) => RevisionKind[kind]!).reverse();
}

/** Whether {@linkcode CLIENT} is blocked. */
async function isBlocked({ addr }: Proxy): Promise<boolean> {
  const { bytes } = await exchangeFrom(CLIENT.value, addr, clientHello({ serverName: "x.test" }));
  return bytes.length === 0;
}

Deno.test("a rule expires on time after a kill, with a revision of its own", async () => {
  await using proxy = await start();
  let expiresMs: number;
  {
    await using admin = await adminOf(proxy.config.folder);
    const { rule } = await admin.api.addFirewallRule({ rule: CLIENT, ttl: { seconds: 3n } });
    expiresMs = timestampMs(rule!.expireTime!);
  }
  await using again = await killed(proxy);
  await using admin = await adminOf(proxy.config.folder);
  const blocked = await isBlocked(proxy);
  // A machine that is slow may have come to it too late already.
  if (Date.now() < expiresMs) assert.ok(blocked, "the rule lives on");
  const { time } = await again.event((event) => event["kind"] === "expiry", 20_000);
  assert.ok(
    Date.parse(String(time)) >= expiresMs,
    `expired ${expiresMs - Date.parse(String(time))} ms too early`,
  );
  assert.equal(await isBlocked(proxy), false);
  assert.deepEqual((await admin.api.getFirewallRules({})).rules, []);
  assert.deepEqual(await kinds(admin.api), ["SEED", "RPC", "EXPIRY"]);
  const { revisions: [expiry] } = await admin.api.listRevisions({ limit: 1, withChanges: true });
  assert.deepEqual([expiry?.author, expiry?.changes.map(({ summary }) => summary)], [
    "system",
    ["- firewall block ip 127.0.0.5"],
  ]);
  // Neither the rollback nor a comparison brings it back.
  assert.equal((await admin.api.rollback({ revision: 2 })).revision, 3);
  assert.equal((await admin.api.diffRevisions({ from: 1, to: 3 })).changes.length, 0);
});

Deno.test("a rule that expires while the program is down is gone, and blocked nobody meanwhile", async () => {
  await using proxy = await start();
  let expiresMs: number;
  {
    await using admin = await adminOf(proxy.config.folder);
    await admin.api.addFirewallRule({ rule: IP });
    const { rule } = await admin.api.addFirewallRule({ rule: CLIENT, ttl: { seconds: 1n } });
    expiresMs = timestampMs(rule!.expireTime!);
  }
  await using again = await killed(proxy, expiresMs);
  assert.equal(await isBlocked(proxy), false);
  const isExpiry = (event: LogEvent) => event["kind"] === "expiry";
  // A machine that is slow may have killed it too late.
  if (!proxy.program.events.some(isExpiry)) await again.event(isExpiry);
  await using admin = await adminOf(proxy.config.folder);
  assert.deepEqual((await admin.api.getFirewallRules({})).rules.map(({ value }) => value), [IP.value]);
  assert.deepEqual(await kinds(admin.api), ["SEED", "RPC", "RPC", "EXPIRY"]);
});

Deno.test("an unconfirmed change takes itself back on time when the program was killed meanwhile", async () => {
  await using proxy = await start();
  let deadlineMs: number;
  {
    await using admin = await adminOf(proxy.config.folder);
    const operations = applied({ case: "addRoute", value: route() });
    const { confirmDeadline } = await admin.api.apply({ operations, confirmWithin: { seconds: 3n } });
    deadlineMs = timestampMs(confirmDeadline!);
  }
  await using again = await killed(proxy);
  await using admin = await adminOf(proxy.config.folder);
  const { status } = await admin.api.getStatus({});
  if (Date.now() < deadlineMs) {
    assert.deepEqual([status?.revision, status?.pendingConfirm?.revision], [2, 2]);
  }
  const { time } = await again.event((event) => event["kind"] === "revert", 20_000);
  assert.ok(
    Date.parse(String(time)) >= deadlineMs,
    `taken back ${deadlineMs - Date.parse(String(time))} ms too early`,
  );
  assert.deepEqual((await admin.api.listRoutes({})).routes.map(({ hostname }) => hostname), ["a.test"]);
  assert.deepEqual(await kinds(admin.api), ["SEED", "RPC", "REVERT"]);
  assert.equal((await admin.api.getStatus({})).status?.pendingConfirm, undefined);
});

Deno.test("a confirmed change stays when the program is killed", async () => {
  await using proxy = await start();
  {
    await using admin = await adminOf(proxy.config.folder);
    const operations = applied({ case: "addRoute", value: route() });
    await admin.api.apply({ operations, confirmWithin: { seconds: 3_600n } });
    assert.equal((await admin.api.confirm({})).revision, 2);
  }
  await using _again = await killed(proxy);
  await using admin = await adminOf(proxy.config.folder);
  const { status } = await admin.api.getStatus({});
  assert.deepEqual([status?.revision, status?.pendingConfirm], [2, undefined]);
  assert.equal((await admin.api.listRoutes({})).routes.length, 2);
});

Deno.test("a key's first answer is given again after a kill, and to no other call", async () => {
  await using proxy = await start();
  const headers = { "idempotency-key": "k1" };
  const request = { route: route(), expectedRevision: 1 };
  let first: Awaited<ReturnType<AdminClient["api"]["addRoute"]>>;
  {
    await using admin = await adminOf(proxy.config.folder);
    first = await admin.api.addRoute(request, { headers });
  }
  await using _again = await killed(proxy);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  assert.deepEqual(await api.addRoute(request, { headers }), first);
  for (
    const call of [
      api.addRoute({ ...request, expectedRevision: 2 }, { headers }),
      api.removeRoute({ id: 2 }, { headers }),
    ]
  ) {
    const { code, field, message } = await refusalOf(call);
    assert.deepEqual([code, field], ["InvalidArgument", "idempotency-key"], message);
  }
  assert.deepEqual(await kinds(api), ["SEED", "RPC"]);
});

Deno.test("calls with one key at the same time are made once", async () => {
  await using proxy = await start();
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const headers = { "idempotency-key": "k1" };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => api.addRoute({ route: route() }, { headers })),
  );
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  const other = { headers: { "idempotency-key": "k2" } };
  const codes = await Promise.all([
    codeOf(api.addFirewallRule({ rule: IP }, other)),
    codeOf(api.removeRoute({ id: 2 }, other)),
    codeOf(api.rollback({ revision: 1 }, other)),
  ]);
  assert.deepEqual(codes, ["none", "InvalidArgument", "InvalidArgument"]);
  // A call that was refused has no answer to keep: it may be made again.
  const third = { headers: { "idempotency-key": "k3" } };
  assert.equal(await codeOf(api.removeRoute({ id: 99 }, third)), "NotFound");
  assert.equal(await codeOf(api.removeRoute({ id: 2 }, third)), "none");
  assert.deepEqual(await kinds(api), ["SEED", "RPC", "RPC", "RPC"]);
});
