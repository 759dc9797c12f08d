/**
 * The configuration as rows: listeners, routes and firewall rules, read whole.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import type { Configuration, FirewallRule, L7Options, Listener, Route } from "../state/model.ts";
import { type Row, RowReader } from "./row.ts";

const SELECT_ROUTES = "SELECT * FROM routes LEFT JOIN l7_options ON route_id = id ORDER BY id";

/** The next id of each kind: one more than the largest that was ever given. */
export interface NextIds {
  /** For `listeners.id`. */
  readonly listener: number;
  /** For `routes.id`. */
  readonly route: number;
  /** For `firewall_rules.id`. */
  readonly firewallRule: number;
}

/**
 * Reads the whole configuration, each kind in the order of its ids.
 *
 * @throws {ProxyError} `database` when a row doesn't fit the model
 */
export function readConfiguration(database: DatabaseSync): Configuration {
  const routes = new Map<number, Route[]>();
  for (const row of select(database, SELECT_ROUTES)) {
    const reader = new RowReader("routes", row);
    const listenerId = reader.integer("listener_id", 1);
    const siblings = routes.get(listenerId);
    if (siblings === undefined) routes.set(listenerId, [readRoute(reader, row)]);
    else siblings.push(readRoute(reader, row));
  }
  const listeners = select(database, "SELECT * FROM listeners ORDER BY id").map((row) => {
    const listener = readListener(row, routes);
    routes.delete(listener.id);
    return listener;
  });
  for (const [listenerId] of routes) {
    throw new ProxyError("database", `table "routes" names listener ${listenerId}, which doesn't exist`);
  }
  const firewallRules = select(database, "SELECT * FROM firewall_rules ORDER BY id").map(readFirewallRule);
  return { listeners, firewallRules };
}

/** Reads what ids new rows get. Ids of removed rows are never given again. */
export function readNextIds(database: DatabaseSync): NextIds {
  const last = new Map(
    select(database, "SELECT name, seq FROM sqlite_sequence").map((row) => [row["name"], Number(row["seq"])]),
  );
  return {
    listener: (last.get("listeners") ?? 0) + 1,
    route: (last.get("routes") ?? 0) + 1,
    firewallRule: (last.get("firewall_rules") ?? 0) + 1,
  };
}

function readListener(row: Row, routes: ReadonlyMap<number, readonly Route[]>): Listener {
  const reader = new RowReader("listeners", row);
  const id = reader.integer("id", 1);
  return {
    id,
    address: { host: reader.text("host"), port: reader.integer("port", 0, 65_535) },
    maxConnections: reader.integer("max_connections"),
    proxyProtocol: reader.flag("proxy_protocol"),
    trustedProxies: reader.texts("trusted_proxies"),
    routes: routes.get(id) ?? [],
  };
}

function readRoute(reader: RowReader, row: Row): Route {
  const idleTimeoutMs = reader.optionalInteger("idle_timeout_ms");
  const mode = reader.word("mode", ["l4", "l7"]);
  if ((mode === "l7") !== (row["route_id"] !== null)) {
    throw new ProxyError(
      "database",
      `route ${row["id"]} has mode ${mode}, which doesn't fit its "l7_options"`,
    );
  }
  return {
    id: reader.integer("id", 1),
    hostname: reader.text("hostname"),
    backend: { host: reader.text("backend_host"), port: reader.integer("backend_port", 1, 65_535) },
    enabled: reader.flag("enabled"),
    mode,
    sendProxyProtocol: reader.flag("send_proxy_protocol"),
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
    maxConnections: reader.integer("max_connections"),
    ...(mode === "l7" ? { l7: readL7Options(row) } : {}),
  };
}

function readL7Options(row: Row): L7Options {
  const reader = new RowReader("l7_options", row);
  const acmePort = reader.optionalInteger("acme_backend_port", 1, 65_535);
  const maxBodyBytes = reader.optionalInteger("max_body_bytes");
  return {
    tlsCert: reader.text("tls_cert"),
    tlsKey: reader.text("tls_key"),
    backendTls: reader.flag("backend_tls"),
    backendCa: reader.text("backend_ca"),
    backendServerName: reader.text("backend_server_name"),
    backendProtocol: reader.word("backend_protocol", ["h2c", "h2", "http/1.1"]),
    ...(acmePort === undefined
      ? {}
      : { acmeBackend: { host: reader.text("acme_backend_host"), port: acmePort } }),
    ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
  };
}

function readFirewallRule(row: Row): FirewallRule {
  const reader = new RowReader("firewall_rules", row);
  const expiresAtMs = reader.optionalInteger("expires_at_ms");
  return {
    id: reader.integer("id", 1),
    type: reader.word("type", ["ip", "cidr", "country"]),
    value: reader.text("value"),
    action: reader.word("action", ["block", "allow"]),
    mode: reader.word("mode", ["enforce", "shadow"]),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    comment: reader.text("comment"),
  };
}

function select(database: DatabaseSync, sql: string): Row[] {
  return database.prepare(sql).all();
}
