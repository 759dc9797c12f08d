/**
 * Making the rows of one configuration into the rows of another, touching only those that differ.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, StatementResultingChanges, StatementSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import type { Configuration, FirewallRule, L7Options, Listener, Route } from "../state/model.ts";
import type { Columns } from "./row.ts";

/** Rows that one statement writes. */
const GROUP_ROWS = 500;

/** How one table holds one kind of value. */
interface Table<Item> {
  readonly name: string;
  /** The column that identifies a row. */
  readonly key: string;
  readonly items: (configuration: Configuration) => Iterable<Item>;
  readonly columns: (item: Item) => Columns;
  readonly id: (item: Item) => number;
}

/** What one table needs to get from one configuration to the other. */
interface Difference {
  readonly name: string;
  readonly key: string;
  readonly removed: readonly number[];
  readonly changed: readonly Columns[];
  readonly added: readonly Columns[];
}

interface RouteItem {
  readonly listenerId: number;
  readonly route: Route;
}

/** Parents first: rows are added in this order and removed in the reverse one. */
const TABLES: readonly ((before: Configuration, after: Configuration) => Difference)[] = [
  differ({
    name: "listeners",
    key: "id",
    items: (c) => c.listeners,
    columns: listenerColumns,
    id: (l) => l.id,
  }),
  differ({
    name: "routes",
    key: "id",
    items: routeItems,
    columns: routeColumns,
    id: (item) => item.route.id,
  }),
  differ({
    name: "l7_options",
    key: "route_id",
    items: l7Items,
    columns: l7Columns,
    id: (route) => route.id,
  }),
  differ({
    name: "firewall_rules",
    key: "id",
    items: (c) => c.firewallRules,
    columns: firewallRuleColumns,
    id: (rule) => rule.id,
  }),
];

/**
 * Turns the rows of `before` into those of `after`. The caller has a transaction open.
 *
 * @param before what the tables hold now
 * @throws {ProxyError} `database` when the tables don't hold `before`; SQLite's own errors as they are
 */
export function writeDifference(database: DatabaseSync, before: Configuration, after: Configuration): void {
  const differences = TABLES.map((difference) => difference(before, after));
  for (const { name, key, removed } of differences.toReversed()) {
    const sqlOf = (count: number) => `DELETE FROM ${name} WHERE ${key} IN (${marks(count)})`;
    runGroups(database, sqlOf, removed.map((id) => [id]));
  }
  for (const { name, key, changed, added } of differences) {
    const columns = Object.keys(changed[0] ?? added[0] ?? {});
    const others = columns.filter((column) => column !== key);
    const assignments = others.map((column) => `${column} = :${column}`).join(", ");
    runEach(database, `UPDATE ${name} SET ${assignments} WHERE ${key} = :${key}`, changed);
    const row = `(${marks(columns.length)})`;
    const sqlOf = (count: number) =>
      `INSERT INTO ${name} (${columns.join(", ")}) VALUES ${new Array<string>(count).fill(row).join(", ")}`;
    runGroups(database, sqlOf, added.map((each) => columns.map((column) => each[column]!)));
  }
}

function runEach(database: DatabaseSync, sql: string, rows: readonly Columns[]): void {
  if (rows.length === 0) return;
  const statement = database.prepare(sql);
  for (const row of rows) requireRows(1, statement.run(row));
}

/**
 * Runs a statement for many rows at once: one for each row takes four times as long, and the event loop waits for it.
 *
 * @param sqlOf the statement for so many rows @param rows the parameters of each
 */
function runGroups(
  database: DatabaseSync,
  sqlOf: (count: number) => string,
  rows: readonly (readonly SQLInputValue[])[],
): void {
  let statement: StatementSync | undefined;
  let prepared = 0;
  for (let start = 0; start < rows.length; start += GROUP_ROWS) {
    const group = rows.slice(start, start + GROUP_ROWS);
    if (statement === undefined || group.length !== prepared) {
      statement = database.prepare(sqlOf(group.length));
    }
    prepared = group.length;
    requireRows(group.length, statement.run(...group.flat()));
  }
}

function marks(count: number): string {
  return new Array<string>(count).fill("?").join(", ");
}

function requireRows(wanted: number, { changes }: StatementResultingChanges): void {
  if (Number(changes) === wanted) return;
  throw new ProxyError(
    "database",
    "the database was changed by another program meanwhile; restart to read it again",
  );
}

function differ<Item>(table: Table<Item>): (before: Configuration, after: Configuration) => Difference {
  return (before, after) => {
    const old = new Map<number, Item>();
    for (const item of table.items(before)) old.set(table.id(item), item);
    const changed: Columns[] = [];
    const added: Columns[] = [];
    for (const item of table.items(after)) {
      const id = table.id(item);
      const previous = old.get(id);
      old.delete(id);
      if (previous === undefined) added.push(table.columns(item));
      // Most values of a large configuration are the same object in both: those cost no comparison.
      else if (previous !== item) {
        const columns = table.columns(item);
        if (!isSame(table.columns(previous), columns)) changed.push(columns);
      }
    }
    return { name: table.name, key: table.key, removed: [...old.keys()], changed, added };
  };
}

function isSame(a: Columns, b: Columns): boolean {
  return Object.keys(a).every((column) => a[column] === b[column]);
}

function* routeItems(configuration: Configuration): Iterable<RouteItem> {
  for (const listener of configuration.listeners) {
    for (const route of listener.routes) yield { listenerId: listener.id, route };
  }
}

function* l7Items(configuration: Configuration): Iterable<{ id: number; l7: L7Options }> {
  for (const { route } of routeItems(configuration)) {
    if (route.l7 !== undefined) yield { id: route.id, l7: route.l7 };
  }
}

function listenerColumns(listener: Omit<Listener, "routes">): Columns {
  return {
    id: listener.id,
    host: listener.address.host,
    port: listener.address.port,
    max_connections: listener.maxConnections,
    proxy_protocol: Number(listener.proxyProtocol),
    trusted_proxies: JSON.stringify(listener.trustedProxies),
  };
}

function routeColumns({ listenerId, route }: RouteItem): Columns {
  return {
    id: route.id,
    listener_id: listenerId,
    hostname: route.hostname,
    backend_host: route.backend.host,
    backend_port: route.backend.port,
    enabled: Number(route.enabled),
    mode: route.mode,
    send_proxy_protocol: Number(route.sendProxyProtocol),
    idle_timeout_ms: route.idleTimeoutMs ?? null,
    max_connections: route.maxConnections,
  };
}

function l7Columns({ id, l7 }: { id: number; l7: L7Options }): Columns {
  return {
    route_id: id,
    tls_cert: l7.tlsCert,
    tls_key: l7.tlsKey,
    backend_tls: Number(l7.backendTls),
    backend_ca: l7.backendCa,
    backend_server_name: l7.backendServerName,
    backend_protocol: l7.backendProtocol,
    acme_backend_host: l7.acmeBackend?.host ?? null,
    acme_backend_port: l7.acmeBackend?.port ?? null,
    max_body_bytes: l7.maxBodyBytes ?? null,
  };
}

function firewallRuleColumns(rule: FirewallRule): Columns {
  return {
    id: rule.id,
    type: rule.type,
    value: rule.value,
    action: rule.action,
    mode: rule.mode,
    expires_at_ms: rule.expiresAtMs ?? null,
    comment: rule.comment,
  };
}
