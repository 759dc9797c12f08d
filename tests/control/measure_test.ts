import assert from "node:assert/strict";
import { type MeasuredServer, MetricsFile, metricsText } from "../../src/control/measure.ts";
import { Slots } from "../../src/control/slots.ts";
import { acceptErrorCounter, reasonCounter } from "../../src/observe/counters.ts";
import { Log } from "../../src/observe/log.ts";
import { sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";
import { CountryDatabase } from "../../src/net/geoip.ts";
import { countryDatabase } from "../net/country_database_builder.ts";
import { parsePrometheusText } from "../support/prometheus_text.ts";
import { listenerOn, routeTo, stateOf } from "./workers.ts";

/** A server with 200 listeners, so that its text is long. */
function measuredServer(): MeasuredServer {
  const listeners = Array.from(
    { length: 200 },
    (_, index) => listenerOn(index + 1, 10_000 + index, [routeTo(index + 1, "a.test", 1)]),
  );
  const configuration = { listeners, firewallRules: [] };
  const slots = new Slots();
  slots.assign(configuration);
  const memory = new SharedMemory(new ArrayBuffer(sharedMemoryBytes(2)), 2);
  for (const { id } of listeners) {
    memory.columns[0]!.count(reasonCounter(slots.listener(id)!, "client_eof"), id);
  }
  return {
    memory,
    supervisor: { slots, served: stateOf(configuration, 7), restarts: 2 },
    geoip: { databaseAt: () => new CountryDatabase(countryDatabase({}, 1), () => {}) },
  };
}

function logInto(lines: string[]): Log {
  return new Log({
    level: "info",
    format: "json",
    write: (line) => (lines.push(line), true),
    onDropped: () => {},
  });
}

Deno.test("metricsText() names listeners by their addresses and counts of their own slots", () => {
  const families = parsePrometheusText(metricsText(measuredServer(), 61_000));
  const ended = families.get("mcproxy_connections_total")!.samples;
  assert.equal(ended.length, 200);
  for (const { labels, value } of ended) {
    assert.equal(labels["listener"], `127.0.0.1:${9_999 + value}`);
    assert.equal(labels["reason"], "client_eof");
  }
  const single = (name: string) => families.get(`mcproxy_${name}`)!.samples.map(({ value }) => value);
  assert.deepEqual(
    [single("config_revision"), single("worker_restarts_total"), single("geoip_age_seconds")],
    [
      [7],
      [2],
      [60],
    ],
  );
});

Deno.test("MetricsFile.write() replaces the file whole, whoever reads it meanwhile", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/metrics.prom`;
  const server = measuredServer();
  const lines: string[] = [];
  {
    using file = new MetricsFile(path, server, logInto(lines));
    await file.write();
    const old = await Deno.open(path);
    server.memory.main.count(acceptErrorCounter("aborted"), 3);
    await Promise.all([file.write(), file.write()]);
    const oldText = await new Response(old.readable).text();
    assert.match(
      oldText,
      /^mcproxy_accept_errors_total\{code="aborted"\} 0$/m,
      "who reads the old one has all of it",
    );
    parsePrometheusText(oldText);
    const { samples } = parsePrometheusText(await Deno.readTextFile(path)).get(
      "mcproxy_accept_errors_total",
    )!;
    assert.deepEqual(samples.find(({ labels }) => labels["code"] === "aborted")?.value, 3);
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["metrics.prom"]);
  }
  assert.deepEqual(lines, []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("MetricsFile.write() says once that it can't, and goes on when it can again", async () => {
  const folder = await Deno.makeTempDir();
  const server = measuredServer();
  const lines: string[] = [];
  {
    using file = new MetricsFile(`${folder}/later/metrics.prom`, server, logInto(lines));
    for (let count = 0; count < 3; count++) await file.write();
    assert.equal(lines.filter((line) => line.includes("metrics_file_failed")).length, 1);
    await Deno.mkdir(`${folder}/later`);
    await file.write();
    await Deno.remove(`${folder}/later`, { recursive: true });
    for (let count = 0; count < 3; count++) await file.write();
    assert.equal(lines.filter((line) => line.includes("metrics_file_failed")).length, 2);
  }
  await Deno.remove(folder, { recursive: true });
});
