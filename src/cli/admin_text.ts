/**
 * What a server has answered, as text for people.
 *
 * @module
 */

import { durationMs, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type {
  AddFirewallRuleResponse,
  ApplyResponse,
  GetFirewallRulesResponse,
  ListListenersResponse,
  ListRevisionsResponse,
  ListRoutesResponse,
  ReloadResponse,
  RollbackResponse,
} from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import {
  type ConfigurationChange,
  FirewallAction,
  FirewallMode,
  FirewallRuleType,
  RevisionKind,
} from "../admin/gen/mc_proxy/v1/configuration_pb.ts";
import type {
  ListConnectionsResponse,
  WatchConnectionsResponse,
} from "../admin/gen/mc_proxy/v1/connection_pb.ts";
import { type ExplainResponse, RouteMatch, Standing, Verdict } from "../admin/gen/mc_proxy/v1/explain_pb.ts";
import type { Status } from "../admin/gen/mc_proxy/v1/status_pb.ts";
import { formatDuration } from "../config/duration.ts";
import { alignColumns } from "./columns.ts";

/** Rows in columns. */
function table(rows: readonly (readonly string[])[]): string {
  return alignColumns(rows).map((line) => `${line}\n`).join("");
}

/** Such as `1 route`, `2 routes`. */
function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function moment(time: Timestamp | undefined): string {
  return time === undefined ? "never" : timestampDate(time).toISOString();
}

/** A status: what is wrong first. */
export function status(told: Status): string {
  const head = told.isHealthy
    ? "healthy\n"
    : `not healthy\n${told.problems.map((each) => `  ${each}\n`).join("")}`;
  const uptimeMs = told.uptime === undefined ? 0 : Math.floor(durationMs(told.uptime) / 1_000) * 1_000;
  const pending = told.pendingConfirm;
  return [
    head,
    `mc-proxy ${told.version}, process ${told.pid}, up ${
      formatDuration(uptimeMs)
    }, revision ${told.revision}.${told.generation}\n`,
    pending === undefined
      ? ""
      : `revision ${pending.revision} goes back to ${pending.revertTo} at ${
        moment(pending.deadline)
      } unless confirmed\n`,
    `${counted(told.openConnections, "connection")} open, ${counted(told.firewallRules, "firewall rule")}, ${
      counted(told.workerRestarts, "worker")
    } replaced\n`,
    table(told.workers.map((each) => [
      `worker ${each.worker}`,
      each.pid === 0 ? "gone" : `process ${each.pid}`,
      each.isCurrent
        ? "current"
        : each.revision === 0
        ? "serves nothing"
        : `serves revision ${each.revision}`,
      `${each.openConnections} open`,
    ])),
    table(told.listeners.map((each) => [
      `listener ${each.addr}`,
      counted(each.routes, "route"),
      `${each.openConnections} open`,
      `${each.endedConnections} ended`,
    ])),
    told.geoipTime === undefined ? "" : `GeoIP database of ${moment(told.geoipTime)}\n`,
    table(told.certificates.map((each) => [
      `certificate ${each.listener} ${each.route}`,
      `until ${moment(each.notAfter)}`,
      each.problem,
    ])),
    table(told.reloads.map((each) => [`reload ${each.what}`, moment(each.time), each.problem || "ok"])),
  ].join("");
}

/** Routes in columns. */
export function routes(told: ListRoutesResponse): string {
  return table(told.routes.map((each) => [
    String(each.id),
    each.listener,
    each.hostname,
    each.backend,
    each.l7 === undefined ? "l4" : "l7",
    each.enabled === false ? "disabled" : "enabled",
    `${each.openConnections} open`,
  ]));
}

/** Listeners in columns. */
export function listeners(told: ListListenersResponse): string {
  return table(told.listeners.map((each) => [
    String(each.id),
    each.addr,
    counted(each.routes.length, "route"),
    `${each.openConnections} open`,
    each.proxyProtocol ? `PROXY from ${each.trustedProxies.join(", ")}` : "",
  ]));
}

/** Firewall rules in columns. */
export function rules(told: GetFirewallRulesResponse): string {
  return table(told.rules.map((each) => [
    String(each.id),
    FirewallAction[each.action]!.toLowerCase(),
    FirewallRuleType[each.type]!.toLowerCase(),
    each.value,
    FirewallMode[each.mode]!.toLowerCase(),
    each.expireTime === undefined ? "" : `until ${moment(each.expireTime)}`,
    each.comment,
  ]));
}

/** A change that has been made. */
export function changed({ revision }: { readonly revision: number }): string {
  return `revision ${revision}\n`;
}

/** A removal that has been made. */
export function removed(told: { readonly revision: number; readonly connectionsTouched: number }): string {
  return `revision ${told.revision}, ${told.connectionsTouched} open connections concerned\n`;
}

/** Open connections in columns. */
export function connections(told: ListConnectionsResponse): string {
  const rows = told.connections.map((each) => [
    each.id,
    each.listener,
    each.client,
    each.country || "-",
    each.serverName || "-",
    each.backend || "-",
    `${each.bytesReceived} in`,
    `${each.bytesSent} out`,
    moment(each.acceptTime),
  ]);
  return `${table(rows)}${counted(told.total, "connection")}\n`;
}

/** A connection that has ended. */
export function event({ event: told }: WatchConnectionsResponse): string {
  if (told === undefined) return "";
  const name = told.serverName || "-";
  return `${moment(told.time)} ${told.client} ${told.listener} ${name} ${told.reason} ${
    told.backend || "-"
  } ${told.bytesReceived} in ${told.bytesSent} out\n`;
}

/** What would become of a connection, and why: the verdict first, then what led to it. */
export function explanation(told: ExplainResponse): string {
  const lines = [verdictOf(told)];
  if (told.country !== "") lines.push(`country ${told.country}`);
  for (const { rule, standing } of told.rules) {
    if (rule === undefined) continue;
    const [action, type] = [
      FirewallAction[rule.action]!.toLowerCase(),
      FirewallRuleType[rule.type]!.toLowerCase(),
    ];
    lines.push(`rule ${rule.id} ${action} ${type} ${rule.value}: ${Standing[standing]!.toLowerCase()}`);
  }
  for (const { route, match, standing } of told.routes) {
    const reason = `${Standing[standing]!.toLowerCase()} (${MATCHES[match]})`;
    lines.push(`route ${route?.id} ${route?.hostname} -> ${route?.backend}: ${reason}`);
  }
  if (told.certificate !== undefined) {
    const { path, notAfter, problem } = told.certificate;
    lines.push(`certificate ${path} until ${moment(notAfter)}${problem === "" ? "" : `: ${problem}`}`);
  }
  if (told.timeouts !== undefined) {
    const { clientHello, connect, dial, idle, halfClosed } = told.timeouts;
    const shown = Object.entries({ client_hello: clientHello, connect, dial, idle, half_closed: halfClosed })
      .flatMap(([name, value]) =>
        value === undefined ? [] : [`${name} ${formatDuration(durationMs(value))}`]
      );
    lines.push(`timeouts ${shown.join(", ")}`);
  }
  for (const warning of told.warnings) lines.push(`note: ${warning}`);
  return `${lines.join("\n")}\n`;
}

function verdictOf({ verdict, reason, backend }: ExplainResponse): string {
  switch (verdict) {
    case Verdict.DENY:
      return `denied with a RST: ${reason}`;
    case Verdict.REFUSE:
      return `refused: ${reason}`;
    case Verdict.ACME:
      return `goes to the ACME backend ${backend}`;
    default:
      return `goes to ${backend}`;
  }
}

const MATCHES: Readonly<Record<RouteMatch, string>> = {
  [RouteMatch.UNSPECIFIED]: "no match",
  [RouteMatch.EXACT]: "the exact name",
  [RouteMatch.WILDCARD]: "the wildcard over it",
  [RouteMatch.DEFAULT]: "every other name",
};

/** A rule that was added, with the number by which it is removed. */
export function ruleAdded(told: AddFirewallRuleResponse): string {
  return `rule ${told.rule?.id}, ${removed(told)}`;
}

/** A return to an older revision. */
export function rolledBack(told: RollbackResponse): string {
  return `${difference(told)}revision ${told.revision}\n`;
}

/** What an apply would change. */
export function tried(told: ApplyResponse): string {
  return `${difference(told)}nothing was changed: this was a dry run against revision ${told.revision}\n`;
}

/** Revisions with their changes. */
export function revisions(told: ListRevisionsResponse): string {
  return told.revisions.map((each) => {
    const kind = RevisionKind[each.kind]!.toLowerCase();
    const shown = each.changes.slice(0, 10).map(({ summary }) => `    ${summary}\n`).join("");
    const left = each.changeCount - Math.min(10, each.changes.length);
    const more = left > 0 ? `    … ${left} more\n` : "";
    return `${each.number}  ${moment(each.createTime)}  ${kind}  ${each.author}\n${shown}${more}`;
  }).join("");
}

/** Differences, one a line. */
export function difference(
  { changes, changeCount }: {
    readonly changes: readonly ConfigurationChange[];
    readonly changeCount: number;
  },
): string {
  if (changes.length === 0) return "no difference\n";
  const left = changeCount - changes.length;
  const more = left > 0 ? `… ${left} more\n` : "";
  return changes.map(({ summary }) => `${summary}\n`).join("") + more;
}

/** What an apply has changed. */
export function applied(told: ApplyResponse): string {
  const until = told.confirmDeadline === undefined
    ? ""
    : `goes back at ${moment(told.confirmDeadline)} unless confirmed: mc-proxy confirm\n`;
  return `${difference(told)}revision ${told.revision}\n${until}`;
}

/** What was read again. */
export function reloads(told: ReloadResponse): string {
  if (told.results.length === 0) return "nothing to read again\n";
  return table(told.results.map((each) => [each.what, moment(each.time), each.problem || "ok"]));
}
