/**
 * Goal: what ExportConfig gives seeds an identical instance.
 * Method: a real program is changed over gRPC and exported; another one starts on that file with a new database, at the
 * same addresses; both are asked, and export, the same.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { AdminClient } from "../../src/admin/client.ts";
import {
  FirewallAction,
  FirewallMode,
  FirewallRuleType,
  RouteMode,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { freePort } from "../support/ports.ts";
import { startServer } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { BACKEND } from "./admin_calls.ts";
import { openSite } from "./l7_site.ts";

/** All that a client can see of a configuration, ids apart. */
async function seen({ api }: AdminClient): Promise<unknown> {
  const { listeners } = await api.listListeners({});
  const { rules } = await api.getFirewallRules({});
  const { status } = await api.getStatus({});
  return {
    listeners: listeners.map((listener) => ({
      ...listener,
      id: 0,
      routes: listener.routes.map((route) => ({ ...route, id: 0 })),
    })),
    rules: rules.map((rule) => ({ ...rule, id: 0 })),
    limits: status!.limits,
  };
}

Deno.test("an exported file seeds an identical instance", async () => {
  await using site = await openSite();
  const proxy = await startProxy({
    listeners: [{
      routes: [{ hostname: "a.test", backend: BACKEND }, { hostname: "gone.test", backend: BACKEND }],
    }],
    firewall: { rate_limit: 7, limit_mode: "shadow" },
    proxy: { workers: 1, shutdown_timeout: "1s", idle_timeout: "61s" },
    http: { max_body_bytes: 1_000 },
    log: { requests: true },
    grpc: ADMIN_SOCKET,
  });
  try {
    let before: unknown;
    let toml: string;
    {
      await using admin = await adminOf(proxy.config.folder);
      const { api } = admin;
      const l7 = {
        tlsCert: `${site.folder}/site.pem`,
        tlsKey: `${site.folder}/site.key`,
        acmeBackend: BACKEND,
      };
      await api.addRoute({ route: { hostname: "h2c.test", backend: site.clear, mode: RouteMode.L7, l7 } });
      await api.updateRoute({
        route: { id: 1, enabled: false, maxConnections: 5 },
        updateMask: { paths: ["enabled", "max_connections"] },
      });
      await api.removeRoute({ id: 2 });
      const other = { addr: `127.0.0.1:${freePort()}`, proxyProtocol: true, trustedProxies: ["10.0.0.0/8"] };
      await api.addListener({ listener: other });
      const rule = { type: FirewallRuleType.CIDR, value: "192.0.2.0/24", comment: 'so "said" \\ the boss' };
      await api.addFirewallRule({ rule, ttl: { seconds: 3_600n } });
      await api.addFirewallRule({
        rule: {
          type: FirewallRuleType.IP,
          value: "::1",
          action: FirewallAction.ALLOW,
          mode: FirewallMode.SHADOW,
        },
      });
      before = await seen(admin);
      toml = (await api.exportConfig({})).toml;
    }
    proxy.program.signal("SIGTERM");
    await proxy.program.completed();
    const folder = await Deno.makeTempDir({ prefix: "mc-proxy-export-" });
    try {
      const path = `${folder}/mc-proxy.toml`;
      await Deno.writeTextFile(path, toml.replaceAll(`${proxy.config.folder}/`, `${folder}/`));
      await using _again = await startServer(path);
      await using admin = await adminOf(folder);
      assert.deepEqual(await seen(admin), before);
      const again = (await admin.api.exportConfig({})).toml.replaceAll(
        `${folder}/`,
        `${proxy.config.folder}/`,
      );
      assert.equal(again, toml);
      assert.equal((await admin.api.getStatus({})).status?.revision, 1);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    for (const secret of ["PRIVATE KEY", "BEGIN CERTIFICATE"]) assert.ok(!toml.includes(secret));
  } finally {
    await proxy[Symbol.asyncDispose]();
  }
});
