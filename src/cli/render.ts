/**
 * What the commands print, as text for people.
 *
 * @module
 */

import { printable } from "../wire/printable.ts";
import type { CheckReport } from "./check_report.ts";
import { alignColumns } from "./columns.ts";

/** What `mc-proxy version` says. */
export interface VersionReport {
  /** Of the program, such as `0.1.0`. */
  readonly mc_proxy: string;
  /** Of the runtime. */
  readonly deno: string;
  /** Of the runtime's JavaScript engine. */
  readonly v8: string;
}

/** What `mc-proxy snapshot` says. */
export interface SnapshotReport {
  /** The copy's file. */
  readonly path: string;
  /** The copy's size. */
  readonly size_bytes: number;
  /** The revision that the copy holds. */
  readonly revision: number;
  /** Older copies that were removed, oldest first. */
  readonly removed: readonly string[];
}

/** Any report as one line of JSON that steers no terminal. */
export function renderJson(report: unknown): string {
  return `${printable(JSON.stringify(report))}\n`;
}

/** Such as `mc-proxy 0.1.0 (Deno 2.9.6, V8 14.0)`. */
export function renderVersion(report: VersionReport): string {
  return `mc-proxy ${report.mc_proxy} (Deno ${report.deno}, V8 ${report.v8})\n`;
}

/** One line with path, size and revision, and one for each older copy that was removed. */
export function renderSnapshot(report: SnapshotReport): string {
  const made =
    `${report.path}: ${report.size_bytes} bytes, revision ${report.revision}, integrity verified\n`;
  return made + report.removed.map((path) => `${path}: removed\n`).join("");
}

/** Everything of the report, in columns. */
export function renderCheck(report: CheckReport): string {
  const seeds = report.database.exists
    ? "exists: its own listeners, routes and firewall rules are served, not those below"
    : "new: the first start fills it with what follows";
  const lines = [
    `${report.file}: ${renderVerdict(report.problems)}`,
    `database ${report.database.path} (${seeds})`,
    ...report.listeners.flatMap(renderListener),
    ...(report.listeners.length === 0 ? ["no listener: nothing is served"] : []),
    ...renderFirewall(report.firewall),
    ...renderLimits(report.limits),
    ...report.warnings.map((warning) => `warning: ${warning}`),
    ...report.problems.map(({ level, what, detail }) => `${level}: ${what}: ${detail}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function renderVerdict(problems: CheckReport["problems"]): string {
  const count = problems.filter(({ level }) => level === "error").length;
  if (count === 0) return "no mistakes";
  return count === 1 ? "1 thing is wrong, see the end" : `${count} things are wrong, see the end`;
}

function renderListener(listener: CheckReport["listeners"][number]): readonly string[] {
  const rows = listener.routes.map((route) => [
    route.hostname,
    `-> ${route.backend}`,
    route.mode,
    [
      ...(route.enabled ? [] : ["disabled"]),
      ...(route.idle_timeout === undefined ? [] : [`idle_timeout ${route.idle_timeout}`]),
      ...connectionsPart(route.max_connections),
      ...(route.send_proxy_protocol ? ["sends the PROXY protocol"] : []),
    ].join(", "),
  ]);
  const traits = [
    ...connectionsPart(listener.max_connections),
    ...(listener.proxy_protocol ? [`PROXY protocol from ${listener.trusted_proxies.join(", ")}`] : []),
    ...(rows.length === 0 ? ["no routes: every connection is refused"] : []),
  ];
  return [
    `listener ${listener.addr}${traits.length === 0 ? "" : ` (${traits.join("; ")})`}`,
    ...alignColumns(rows).map((row) => `  ${row}`),
  ];
}

function connectionsPart(maxConnections: number): readonly string[] {
  return maxConnections === 0 ? [] : [`at most ${maxConnections} connections`];
}

function renderFirewall(firewall: CheckReport["firewall"]): readonly string[] {
  const rows = firewall.counts.map(({ action, type, enforced, shadow }) => [
    action,
    type,
    shadow === 0 ? `${enforced}` : `${enforced} enforced, ${shadow} shadow`,
  ]);
  const geoip = firewall.geoip_db === "" ? [] : [`  country database ${firewall.geoip_db}`];
  const unknown = firewall.block_unknown_country ? ["  unknown countries are blocked"] : [];
  const total = firewall.counts.reduce((sum, { enforced, shadow }) => sum + enforced + shadow, 0);
  return [
    `firewall: ${total === 1 ? "1 rule" : `${total} rules`}`,
    ...alignColumns(rows).map((row) => `  ${row}`),
    ...geoip,
    ...unknown,
  ];
}

function renderLimits(limits: CheckReport["limits"]): readonly string[] {
  if (limits.length === 0) return ["limits: all at their defaults"];
  const rows = limits.map((limit) => [limit.key, limit.value, `(default ${limit.default})`]);
  return ["limits that differ from their defaults:", ...alignColumns(rows).map((row) => `  ${row}`)];
}
