/**
 * Goal: a call whose time is over ends with DEADLINE_EXCEEDED, and leaves nothing behind, however short its time was.
 * Method: the real program; watchers by the dozen with deadlines that have passed before they are read, and with short
 * ones; changes that a stopped worker holds up, and changes that wait behind them.
 *
 * @module
 */

import assert from "node:assert/strict";

import { WATCHERS_MAX } from "../../src/admin/connection_feed.ts";
import { FirewallRuleType } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { callHeaders, greeting, GRPC_FIELDS, lastMessage, RawGrpc } from "../admin/raw_grpc.ts";
import { concat } from "../http2/raw_peer.ts";
import { signalProcess } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf, codeOf } from "./admin_api.ts";

const WATCH = "/mc_proxy.v1.ProxyAdminService/WatchConnections";
const HEALTH = "/grpc.health.v1.Health/Watch";

Deno.test("watchers whose time is over are told so, and make room for others", async () => {
  await using proxy = await startProxy({
    listeners: [{ routes: [] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  const path = `${proxy.config.folder}/admin.sock`;
  using client = new RawGrpc(await Deno.connect({ transport: "unix", path }));
  await client.send(greeting());
  const watch = (id: number, method: string, timeout: string): Uint8Array => {
    const fields = [...GRPC_FIELDS, "grpc-timeout", timeout];
    return concat(callHeaders(id, method, fields), lastMessage(id));
  };
  let id = 1;
  for (let count = 0; count <= WATCHERS_MAX; count++, id += 2) {
    await client.send(watch(id, WATCH, "0n"));
    await client.line(new RegExp(`^HEADERS ${id} trailers .*grpc-status 4 `));
  }
  for (const method of [WATCH, HEALTH]) {
    await client.send(watch(id, method, "20m"));
    const line = await client.line(new RegExp(`^HEADERS ${id} trailers`));
    assert.match(line, /grpc-status 4 /, method);
    id += 2;
  }
});

Deno.test("changes whose time is over while they wait are not made afterwards", async () => {
  await using proxy = await startProxy({
    listeners: [{ routes: [] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const rule = (last: number) => ({ rule: { type: FirewallRuleType.IP, value: `192.0.2.${last}` } });
  const [worker] = proxy.program.workers();
  signalProcess(worker!, "SIGSTOP");
  const late = [1, 2, 3].map((last) => codeOf(api.addFirewallRule(rule(last), { timeoutMs: 200 })));
  assert.deepEqual(await Promise.all(late), ["DeadlineExceeded", "DeadlineExceeded", "DeadlineExceeded"]);
  signalProcess(worker!, "SIGCONT");
  const { revision } = await api.addFirewallRule(rule(4));
  const { rules } = await api.getFirewallRules({});
  assert.deepEqual([revision, rules.map(({ value }) => value)], [2, ["192.0.2.4"]]);
});
