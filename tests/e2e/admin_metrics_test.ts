/**
 * Goal: metrics have the names and labels of the design and no others, count what has happened, and nothing that a
 * client sends becomes a label.
 * Method: the real program with connections of many kinds; its text is read by a strict reader, over gRPC and as a file.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  ACCEPT_ERROR_CODES,
  FLOOD_KINDS,
  PHASES,
  STATUS_CLASSES,
  VERDICT_TYPES,
} from "../../src/observe/counters.ts";
import { REASON_NAMES } from "../../src/reasons.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { clientHello } from "../support/client_hello.ts";
import { countryDatabase } from "../support/country_database.ts";
import { parsePrometheusText } from "../support/prometheus_text.ts";
import { startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { eventually } from "./eventually.ts";
import { curl, openSite } from "./l7_site.ts";

const STRANGE = "strange-name.test";
const MODES = ["enforce", "shadow"];

Deno.test("metrics have the names, labels and values of the design", async () => {
  await using site = await openSite();
  const geoip = `${site.folder}/country.mmdb`;
  const textfile = `${site.folder}/metrics.prom`;
  await Deno.writeFile(geoip, countryDatabase({ "127.1.0.0/16": "DE" }));
  await using proxy = await startProxy({
    listeners: [{
      routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }, site.route("h1.test", site.clear)],
    }],
    firewall: {
      geoip_db: geoip,
      rules: [{ type: "ip", value: "127.0.0.2" }, { type: "ip", value: "127.0.0.3", mode: "shadow" }],
    },
    metrics: { textfile },
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2 },
  });
  await using admin = await adminOf(proxy.config.folder);
  const read = async () => parsePrometheusText((await admin.api.getMetrics({})).text);
  const { addr } = proxy;
  for (const name of ["a.test", STRANGE]) await exchange(addr, clientHello({ serverName: name }));
  for (const client of ["127.0.0.2", "127.0.0.3"]) {
    await exchangeFrom(client, addr, clientHello({ serverName: "a.test" }));
  }
  const { status } = await curl(site, addr, "h1.test", "/");
  assert.equal(status, 200);
  // Of what a connection counts at its end this is the last.
  const ended = (families: Awaited<ReturnType<typeof read>>) =>
    families.get("mcproxy_phase_seconds")!.samples.find(({ name, labels }) =>
      name.endsWith("_count") && labels["phase"] === "total"
    )?.value;
  await eventually("five ends", async () => ended(await read()) === 5);

  const listeners = [addr];
  const routes = [`${addr} h1.test`];
  const design: Readonly<
    Record<string, readonly [type: string, labels: Readonly<Record<string, readonly string[]>>]>
  > = {
    connections_total: ["counter", { listener: listeners, reason: REASON_NAMES }],
    connections_open: ["gauge", { listener: listeners, worker: ["0", "1"] }],
    bytes_total: ["counter", { listener: listeners, direction: ["received", "sent"] }],
    requests_total: ["counter", { route: routes, class: STATUS_CLASSES }],
    certificate_expiry_seconds: ["gauge", { route: routes }],
    phase_seconds: ["histogram", { phase: PHASES }],
    firewall_verdicts_total: ["counter", { type: VERDICT_TYPES, mode: MODES }],
    flood_total: ["counter", { kind: FLOOD_KINDS }],
    accept_errors_total: ["counter", { code: ACCEPT_ERROR_CODES }],
    geoip_lookup_errors_total: ["counter", {}],
    rate_table_evictions_total: ["counter", {}],
    events_dropped_total: ["counter", {}],
    worker_restarts_total: ["counter", {}],
    config_revision: ["gauge", {}],
    config_generation: ["gauge", {}],
    geoip_age_seconds: ["gauge", {}],
    reload_failures_total: ["counter", { what: ["geoip", "certificate", "grpc"] }],
    event_loop_lag_seconds: ["gauge", { process: ["main", "0", "1"] }],
  };
  const families = await read();
  assert.deepEqual([...families.keys()].sort(), Object.keys(design).map((name) => `mcproxy_${name}`).sort());
  for (const [name, [type, labels]] of Object.entries(design)) {
    const family = families.get(`mcproxy_${name}`)!;
    assert.equal(family.type, type, name);
    assert.ok(family.samples.length > 0, name);
    for (const sample of family.samples) {
      const { le: _, ...own } = sample.labels;
      assert.deepEqual(Object.keys(own).sort(), Object.keys(labels).sort(), name);
      for (const [label, value] of Object.entries(own)) {
        assert.ok(labels[label]!.includes(value), `${name} ${value}`);
      }
    }
  }
  const value = (name: string, labels: Readonly<Record<string, string>>) =>
    families.get(`mcproxy_${name}`)!.samples.find((sample) =>
      Object.entries(labels).every(([label, text]) => sample.labels[label] === text)
    )?.value;
  const reasons = ["dial_failed", "unknown_name", "blocked_ip"].map((reason) =>
    value("connections_total", { reason })
  );
  assert.deepEqual(reasons, [2, 1, 1]);
  assert.deepEqual(MODES.map((mode) => value("firewall_verdicts_total", { type: "ip", mode })), [1, 1]);
  assert.equal(value("requests_total", { class: "2xx" }), 1);
  assert.equal(ended(families), 5);
  const { text } = await admin.api.getMetrics({});
  assert.ok(!text.includes(STRANGE));

  const file = await eventually("the file", () => Deno.readTextFile(textfile).catch(() => undefined));
  assert.deepEqual([...parsePrometheusText(file).keys()], [...families.keys()]);
});
