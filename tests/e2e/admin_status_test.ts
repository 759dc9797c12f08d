/**
 * Goal: GetStatus says how the proxy is, and each thing that is wrong.
 * Method: the real program, healthy with one of everything, then with a worker that is gone.
 *
 * @module
 */

import assert from "node:assert/strict";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { LIMITS } from "../../src/state/limits.ts";
import { countryDatabase } from "../support/country_database.ts";
import { startProxy } from "../support/proxy.ts";
import { signalProcess } from "../support/processes.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { BACKEND, IP } from "./admin_calls.ts";
import { eventually } from "./eventually.ts";
import { openSite } from "./l7_site.ts";

Deno.test("GetStatus tells of everything that is served, and what each worker serves", async () => {
  await using site = await openSite();
  const geoip = `${site.folder}/country.mmdb`;
  await Deno.writeFile(geoip, countryDatabase({ "127.1.0.0/16": "DE" }));
  const startedMs = Date.now();
  await using proxy = await startProxy({
    listeners: [
      { routes: [{ hostname: "a.test", backend: BACKEND }, site.route("h2c.test", site.clear)] },
      { routes: [site.route("h1.test", site.clear)] },
    ],
    firewall: { geoip_db: geoip },
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2, idle_timeout: "90s" },
  });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  await api.addFirewallRule({ rule: IP });
  await api.reload({});
  const { status } = await api.getStatus({});
  assert.ok(status !== undefined);
  assert.match(status.version, /^\d+\.\d+\.\d+/);
  assert.equal(status.pid, proxy.program.pid);
  assert.ok(
    timestampMs(status.startTime!) >= startedMs - 1_000 &&
      durationMs(status.uptime!) < Date.now() - startedMs + 1_000,
  );
  assert.deepEqual([status.revision, status.isHealthy, status.problems, status.isDraining], [
    2,
    true,
    [],
    false,
  ]);
  const pids = proxy.program.workers().toSorted((left, right) => left - right);
  assert.deepEqual(status.workers.map(({ pid }) => pid).toSorted((left, right) => left - right), pids);
  for (const { isCurrent, revision } of status.workers) assert.deepEqual([isCurrent, revision], [true, 2]);
  assert.deepEqual(status.listeners.map(({ id, addr, routes }) => [id, addr, routes]), [
    [1, proxy.addrs[0], 2],
    [2, proxy.addrs[1], 1],
  ]);
  assert.equal(status.firewallRules, 1);
  assert.deepEqual(status.limits.map(({ key }) => key), Object.values(LIMITS).map(({ key }) => key));
  const idle = status.limits.find(({ key }) => key === "proxy.idle_timeout");
  assert.deepEqual([idle?.value, idle?.defaultValue], ["1m30s", "1h"]);
  assert.ok(timestampMs(status.geoipTime!) <= Date.now());
  assert.deepEqual(
    status.certificates.map((
      { route, listener, coversHostname, problem },
    ) => [route, listener, coversHostname, problem]),
    [["h2c.test", proxy.addrs[0], true, ""], ["h1.test", proxy.addrs[1], true, ""]],
  );
  for (const { names, notAfter } of status.certificates) {
    assert.ok(names.includes("h2c.test") && timestampMs(notAfter!) > Date.now());
  }
  assert.ok(status.reloads.length > 0 && status.reloads.every(({ problem }) => problem === ""));
});

Deno.test("GetStatus names a worker that doesn't serve what it should", async () => {
  await using proxy = await startProxy({ listeners: [{}], grpc: ADMIN_SOCKET, proxy: { workers: 2 } });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const [gone] = proxy.program.workers() as [number, number];
  signalProcess(gone, "SIGKILL");
  const problems = async () => (await api.getStatus({})).status!.problems.join();
  await eventually(
    "the loss",
    async () =>
      /^worker \d (is not there|does not serve yet)/.test(await problems()) ||
      (await api.getStatus({})).status!.workerRestarts > 0,
  );
  await eventually("its replacement", async () => (await api.getStatus({})).status!.isHealthy);
  const { status } = await api.getStatus({});
  assert.equal(status?.workerRestarts, 1);
  assert.ok(status?.workers.every(({ pid }) => pid !== gone && pid > 0));
});
