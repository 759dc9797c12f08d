/**
 * Goal: what deploy/ gives to Prometheus and Grafana asks for metrics, labels and values that the program prints, each
 * alert is a section of RUNBOOK.md, and each fires when what it tells of has happened and not otherwise.
 * Method: the metrics of the running program after a connection, a request and a country database; promtool, where it
 * is installed, for the grammar and for the alerts' own behaviour.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parse } from "yaml";
import dashboard from "../../deploy/grafana/dashboard.json" with { type: "json" };
import alertsText from "../../deploy/prometheus/alerts.yml" with { type: "text" };
import runbook from "../../RUNBOOK.md" with { type: "text" };
import { PHASES } from "../../src/observe/counters.ts";
import { REASON_NAMES } from "../../src/reasons.ts";
import { eventually } from "../e2e/eventually.ts";
import { curl, openSite } from "../e2e/l7_site.ts";
import { clientHello } from "../support/client_hello.ts";
import { runCommand } from "../support/command.ts";
import { countryDatabase } from "../support/country_database.ts";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { runProgram } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { ALERT_CASES, HEALTHY } from "./alert_cases.ts";
import { groupLabelsOf, selectorsOf } from "./promql.ts";

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations?: { readonly summary: string; readonly runbook_url: string };
}

const RULES: { readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[] } =
  parse(alertsText);
const ALERTS = RULES.groups.flatMap(({ rules }) => rules);

/** What node_exporter knows, and we ask for. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  node_systemd_unit_state: ["name", "state"],
  node_textfile_mtime_seconds: ["file"],
  node_filesystem_avail_bytes: ["mountpoint"],
  node_filesystem_size_bytes: ["mountpoint"],
};
/** What Prometheus itself adds. */
const ADDED = ["instance", "job"];

const hasPromtool = hasProgram("promtool");
if (!hasPromtool) {
  print("skipped: the alerts of deploy/prometheus are not tried out, for there is no promtool here");
}

/** What the program prints when it has been used. */
async function printedMetrics(): Promise<string> {
  await using site = await openSite();
  await Deno.writeFile(`${site.folder}/countries.mmdb`, countryDatabase({ "127.1.0.0/16": "DE" }));
  await using proxy = await startProxy({
    listeners: [{ routes: site.routes }],
    grpc: { addr: "unix:admin.sock" },
    firewall: { geoip_db: `${site.folder}/countries.mmdb` },
    proxy: { workers: 1 },
  });
  await exchange(proxy.addr, clientHello({ serverName: "nowhere.test" }));
  assert.equal((await curl(site, proxy.addr, "h2c.test", "/")).status, 200);
  return await eventually("a counted request", async () => {
    const { code, stdout } = await runProgram(["metrics", "-c", proxy.config.path]);
    assert.equal(code, 0);
    return /^mcproxy_requests_total\{/m.test(stdout) && /reason="unknown_name"/.test(stdout) &&
      stdout;
  }, 60_000);
}

/** Every metric of a text, with its labels and their values. */
function samplesOf(text: string): Map<string, Map<string, Set<string>>> {
  const found = new Map<string, Map<string, Set<string>>>();
  for (const [, metric, inside = ""] of text.matchAll(/^(mcproxy_\w+)(?:\{(.*)\})? \S+$/gm)) {
    const labels = found.get(metric!) ?? new Map<string, Set<string>>();
    found.set(metric!, labels);
    for (const [, label, value] of inside.matchAll(/(\w+)="([^"]*)"/g)) {
      labels.set(label!, (labels.get(label!) ?? new Set()).add(value!));
    }
  }
  return found;
}

/** What is wrong with an expression. */
function faults(
  expression: string,
  printed: ReadonlyMap<string, ReadonlyMap<string, Set<string>>>,
): string[] {
  const found: string[] = [];
  const known = new Set(ADDED);
  for (const { metric, matchers } of selectorsOf(expression)) {
    const labels = printed.get(metric);
    if (labels === undefined && FOREIGN[metric] === undefined) found.push(`no metric ${metric}`);
    const names = new Set([...FOREIGN[metric] ?? [], ...labels?.keys() ?? [], ...ADDED]);
    for (const name of names) known.add(name);
    for (const { label, operator, value } of matchers) {
      if (!names.has(label)) {
        found.push(`${metric} has no label ${label}`);
        continue;
      }
      const values = closedValues(metric, label, labels?.get(label));
      if (values === undefined || value.includes("$")) continue;
      // Each alternative must be a value that there is.
      for (const each of operator.endsWith("~") ? value.split("|") : [value]) {
        if (!values.some((one) => new RegExp(`^(?:${each})$`).test(one))) {
          found.push(`${metric}{${label}} is never "${each}"`);
        }
      }
    }
  }
  found.push(...groupLabelsOf(expression).filter((label) => label !== "le" && !known.has(label)));
  return found;
}

/** All values that a label can have; undefined when they come from the configuration. */
function closedValues(metric: string, label: string, seen?: Set<string>): readonly string[] | undefined {
  if (label === "reason") return REASON_NAMES;
  if (label === "class") return ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
  if (label === "phase") return PHASES;
  if (["code", "kind", "what", "type", "mode", "direction"].includes(label) && seen !== undefined) {
    return [...seen];
  }
  assert.ok(
    ["listener", "route", "worker", "process", "instance"].includes(label) || FOREIGN[metric],
    `${metric} ${label}`,
  );
  return undefined;
}

/** Every query of the dashboard. */
function dashboardQueries(): string[] {
  const panels = dashboard.panels.flatMap((panel) => "targets" in panel ? panel.targets ?? [] : []);
  const lists = dashboard.templating.list.flatMap(({ query }) =>
    typeof query === "string" ? [] : [query.query]
  );
  return [...panels.map(({ expr }) => expr), ...dashboard.annotations.list.map(({ expr }) => expr), ...lists];
}

Deno.test("alerts and dashboard ask for metrics, labels and values that the program prints", async (t) => {
  const text = await printedMetrics();
  const printed = samplesOf(text);
  assert.ok(printed.size > 15);
  for (const { alert, expr } of ALERTS) {
    await t.step(alert, () => assert.deepEqual(faults(expr, printed), []));
  }
  const queries = dashboardQueries();
  for (const query of queries) {
    await t.step(query, () => {
      // The only query that is a function of Grafana's.
      const expression = /^label_values\((\w+), \w+\)$/.exec(query)?.[1] ?? query;
      assert.deepEqual(faults(expression, printed), []);
    });
  }
  await t.step("every metric of ours is shown", () => {
    const shown = new Set(queries.flatMap((query) => selectorsOf(query).map(({ metric }) => metric)));
    const sums = ["mcproxy_phase_seconds_sum", "mcproxy_phase_seconds_count"];
    assert.deepEqual(
      [...printed.keys()].filter((metric) => !shown.has(metric) && !sums.includes(metric)),
      [],
    );
  });
  await t.step({
    name: "promtool finds nothing wrong with the text",
    ignore: !hasPromtool,
    fn: async () => {
      const child = new Deno.Command("promtool", {
        args: ["check", "metrics"],
        stdin: "piped",
        stderr: "piped",
      })
        .spawn();
      await new Response(text).body!.pipeTo(child.stdin);
      const { success, stderr } = await child.output();
      assert.ok(success, new TextDecoder().decode(stderr));
    },
  });
  await t.step("faults() fires when something isn't there", () => {
    assert.deepEqual(faults("mcproxy_nothing", printed), ["no metric mcproxy_nothing"]);
    assert.deepEqual(faults('mcproxy_connections_total{why="x"}', printed), [
      "mcproxy_connections_total has no label why",
    ]);
    assert.deepEqual(faults('mcproxy_connections_total{reason=~"idle|x"}', printed), [
      'mcproxy_connections_total{reason} is never "x"',
    ]);
    assert.deepEqual(faults("sum by (route) (mcproxy_flood_total)", printed), ["route"]);
  });
});

Deno.test("each panel of the dashboard has its own number and its own place", () => {
  const numbers = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(numbers).size, numbers.length);
  const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
  assert.equal(new Set(places).size, places.length);
});

Deno.test("each alert is a section of RUNBOOK.md with meaning, impact, diagnosis and mitigation", () => {
  const sections = new Map(
    runbook.split(/^(?=##+ )/m).map((section) => [/^##+ (.*)$/m.exec(section)?.[1] ?? "", section]),
  );
  for (const { alert, annotations } of ALERTS) {
    assert.equal(
      annotations?.runbook_url,
      `file:///usr/share/doc/mc-proxy/RUNBOOK.md#${alert.toLowerCase()}`,
    );
    const section = sections.get(alert) ?? "";
    const parts = [...section.matchAll(/^\*\*(\w+)\*\*:/gm)].map(([, part]) => part);
    assert.deepEqual(parts, ["Meaning", "Impact", "Diagnosis", "Mitigation"], alert);
    assert.match(runbook, new RegExp(`\\| .*\\(#${alert.toLowerCase()}\\)`), `${alert} stands in no table`);
  }
  const extra = [...sections.keys()].filter((name) => name.startsWith("McProxy"));
  assert.deepEqual(extra.toSorted(), ALERTS.map(({ alert }) => alert).toSorted());
});

async function promtool(files: Readonly<Record<string, unknown>>, ...args: string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-promtool-" });
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, JSON.stringify(content));
    }
    const { code, out, err } = await runCommand("promtool", args, { cwd: folder });
    assert.equal(code, 0, out + err);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "promtool reads every alert and every query of the dashboard",
  ignore: !hasPromtool,
  fn: async () => {
    const rules = dashboardQueries().filter((query) => !query.startsWith("label_values")).map((
      query,
      index,
    ) => ({
      record: `query_${index}`,
      expr: query.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "6h"),
    }));
    const queries = { groups: [{ name: "dashboard", rules }] };
    await promtool(
      { "alerts.yml": RULES, "queries.yml": queries },
      "check",
      "rules",
      "alerts.yml",
      "queries.yml",
    );
  },
});

Deno.test({
  name: "each alert fires when what it tells of happens, and none on a host that is well",
  ignore: !hasPromtool,
  fn: async () => {
    assert.deepEqual(
      ALERT_CASES.map(({ alert }) => alert).toSorted(),
      ALERTS.map(({ alert }) => alert).toSorted(),
    );
    // Texts are for people: labels alone are compared.
    const groups = RULES.groups.map(({ rules, ...group }) => ({
      ...group,
      rules: rules.map(({ annotations: _annotations, ...rule }) => rule),
    }));
    const severity = new Map(ALERTS.map(({ alert, labels }) => [alert, labels.severity]));
    const firing = ALERT_CASES.map(({ alert, series, labels }) => ({
      name: alert,
      interval: "1m",
      input_series: series.map(([name, values]) => ({ series: name, values })),
      alert_rule_test: [{
        eval_time: "120m",
        alertname: alert,
        exp_alerts: [{ exp_labels: { severity: severity.get(alert), ...labels } }],
      }],
    }));
    const well = {
      name: "well",
      interval: "1m",
      input_series: HEALTHY.map(([name, values]) => ({ series: name, values })),
      alert_rule_test: ALERTS.map(({ alert }) => ({ eval_time: "120m", alertname: alert, exp_alerts: [] })),
    };
    const tests = { rule_files: ["alerts.yml"], evaluation_interval: "5m", tests: [...firing, well] };
    await promtool({ "alerts.yml": { groups }, "tests.yml": tests }, "test", "rules", "tests.yml");
  },
});
