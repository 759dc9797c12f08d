/**
 * A configuration as the TOML file that seeds an identical instance.
 *
 * @module
 */

import { stringify } from "smol-toml";
import { withoutExpired } from "../state/expiry.ts";
import { DEFAULT_LIMITS, type LimitRow, LIMITS } from "../state/limits.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration, FirewallRule, Listener, Route } from "../state/model.ts";
import type { GrpcSettings, Settings } from "../state/settings.ts";
import { printableToml } from "../wire/printable.ts";
import { formatDuration } from "./duration.ts";

type Table = Record<string, unknown>;

/**
 * Writes the file. What is at its default is left out; paths are absolute; no key is in it, only names of key files.
 *
 * @param settings as they were read from the file, or effective
 * @param nowMs Unix ms: rules that have expired by then are left out
 */
export function exportConfig(settings: Settings, configuration: Configuration, nowMs: number): string {
  const rules = withoutExpired(configuration, nowMs).firewallRules;
  const tables: Table = {
    database: { path: settings.databasePath },
    listeners: configuration.listeners.map(listenerTable),
    ...(settings.grpc !== undefined && { grpc: grpcTable(settings.grpc) }),
    firewall: {
      ...present({
        geoip_db: settings.geoipDb || undefined,
        block_unknown_country: settings.blockUnknownCountry || undefined,
        limit_mode: settings.limitMode === "enforce" ? undefined : settings.limitMode,
      }),
      ...limitsTable("firewall", settings),
      ...(rules.length > 0 && { rules: rules.map(ruleTable) }),
    },
    proxy: limitsTable("proxy", settings),
    http: limitsTable("http", settings),
    metrics: present({ textfile: settings.metricsTextfile || undefined }),
    log: present({
      level: settings.logLevel === "info" ? undefined : settings.logLevel,
      format: settings.logFormat === "json" ? undefined : settings.logFormat,
      requests: settings.logRequests || undefined,
    }),
  };
  const filled = Object.entries(tables).filter(([, table]) => Object.keys(table as object).length > 0);
  return printableToml(`${stringify(Object.fromEntries(filled)).trimEnd()}\n`);
}

/** Leaves out what is `undefined`. */
function present(table: Table): Table {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}

function listenerTable(listener: Listener): Table {
  const { address, maxConnections, proxyProtocol, trustedProxies, routes } = listener;
  return present({
    addr: formatEndpoint(address),
    max_connections: maxConnections || undefined,
    proxy_protocol: proxyProtocol || undefined,
    trusted_proxies: trustedProxies.length > 0 ? [...trustedProxies] : undefined,
    routes: routes.length > 0 ? routes.map(routeTable) : undefined,
  });
}

function routeTable(route: Route): Table {
  const { l7, idleTimeoutMs } = route;
  return present({
    hostname: route.hostname,
    backend: formatEndpoint(route.backend),
    enabled: route.enabled ? undefined : false,
    mode: route.mode === "l4" ? undefined : route.mode,
    send_proxy_protocol: route.sendProxyProtocol || undefined,
    idle_timeout: idleTimeoutMs === undefined ? undefined : formatDuration(idleTimeoutMs),
    max_connections: route.maxConnections || undefined,
    tls_cert: l7?.tlsCert,
    tls_key: l7?.tlsKey,
    backend_tls: l7?.backendTls || undefined,
    backend_ca: l7?.backendCa || undefined,
    backend_server_name: l7?.backendServerName || undefined,
    backend_protocol: l7?.backendProtocol,
    acme_backend: l7?.acmeBackend && formatEndpoint(l7.acmeBackend),
    max_body_bytes: l7?.maxBodyBytes,
  });
}

function ruleTable(rule: FirewallRule): Table {
  return present({
    type: rule.type,
    value: rule.value,
    action: rule.action === "block" ? undefined : rule.action,
    mode: rule.mode === "enforce" ? undefined : rule.mode,
    expires: rule.expiresAtMs === undefined ? undefined : new Date(rule.expiresAtMs),
    comment: rule.comment || undefined,
  });
}

function grpcTable(grpc: GrpcSettings): Table {
  return present({
    addr: grpc.addr,
    tls_cert: grpc.tlsCert || undefined,
    tls_key: grpc.tlsKey || undefined,
    client_ca: grpc.clientCa || undefined,
    allowed_clients: grpc.allowedClients.length > 0 ? [...grpc.allowedClients] : undefined,
    read_only_clients: grpc.readOnlyClients.length > 0 ? [...grpc.readOnlyClients] : undefined,
    insecure: grpc.insecure || undefined,
    reflection: grpc.reflection || undefined,
    client_cert: grpc.clientCert || undefined,
    client_key: grpc.clientKey || undefined,
    server_ca: grpc.serverCa || undefined,
  });
}

function limitsTable(section: string, { limits }: Settings): Table {
  const table: Table = {};
  for (const [name, row] of Object.entries(LIMITS) as [keyof typeof LIMITS, LimitRow][]) {
    const [where, key] = row.key.split(".");
    if (where !== section || key === undefined || limits[name] === DEFAULT_LIMITS[name]) continue;
    table[key] = row.unit === "duration" ? formatDuration(limits[name]) : limits[name];
  }
  return table;
}
