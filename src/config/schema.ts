/**
 * The sections and keys of the TOML file. The limits' keys come from the table of limits.
 *
 * @module
 */

import { type LimitRow, LIMITS } from "../state/limits.ts";
import { BACKEND, GRPC_ADDRESS, HOSTNAME, IP_OR_CIDR, LISTEN_ADDRESS, RULE_VALUES } from "./address.ts";
import {
  absent,
  choice,
  duration,
  FLAG,
  type Key,
  limit,
  list,
  MOMENT,
  optional,
  PATH,
  required,
  REQUIRED_PATH,
  type ScalarKey,
  TEXT,
  wholeNumber,
} from "./key.ts";
import type { Section } from "./table.ts";

const CONNECTIONS = wholeNumber(0, LIMITS.maxConnections.max, " (0 = no limit)");
const NO_FLAG = optional(FLAG, false, "false");
const NO_PATH = optional(PATH, "", '""');
const NO_CONNECTION_LIMIT = optional(CONNECTIONS, 0, "0");

function limitKeys(section: string): Record<string, ScalarKey<number>> {
  const rows: readonly LimitRow[] = Object.values(LIMITS);
  return Object.fromEntries(
    rows.filter((row) => row.key.startsWith(`${section}.`))
      .map((row) => [row.key.slice(section.length + 1), limit(row)]),
  );
}

/** The top of the file: sections only. */
export const TOP: Section<Record<never, Key>> = {
  name: "",
  keys: {},
  tables: ["database", "listeners", "grpc", "firewall", "proxy", "http", "metrics", "log"],
};

/** Keys of {@linkcode DATABASE}. */
export const databaseKeys = { path: required(REQUIRED_PATH) };
/** `[database]` */
export const DATABASE: Section<typeof databaseKeys> = { name: "database", keys: databaseKeys, tables: [] };

/** Keys of {@linkcode LISTENER}. */
export const listenerKeys = {
  addr: required(LISTEN_ADDRESS),
  max_connections: NO_CONNECTION_LIMIT,
  proxy_protocol: NO_FLAG,
  trusted_proxies: list(IP_OR_CIDR),
};
/** `[[listeners]]` */
export const LISTENER: Section<typeof listenerKeys> = {
  name: "listeners",
  keys: listenerKeys,
  tables: ["routes"],
};

/** The keys of a route that only layer 7 has. */
export const layer7Keys = {
  tls_cert: NO_PATH,
  tls_key: NO_PATH,
  backend_tls: absent(FLAG, "false"),
  backend_ca: NO_PATH,
  backend_server_name: optional(TEXT, "", '""'),
  backend_protocol: absent(choice("h2c", "h2", "http/1.1"), '"h2c"'),
  acme_backend: absent(BACKEND),
  max_body_bytes: absent(wholeNumber(0, LIMITS.maxBodyBytes.max, " (0 = no limit)"), "[http] max_body_bytes"),
};
/** Keys of {@linkcode ROUTE}. */
export const routeKeys = {
  hostname: required(HOSTNAME),
  backend: required(BACKEND),
  enabled: optional(FLAG, true, "true"),
  mode: optional(choice("l4", "l7"), "l4", '"l4"'),
  send_proxy_protocol: NO_FLAG,
  idle_timeout: absent(duration(0, LIMITS.idleTimeoutMs.max, " (0 = off)"), "[proxy] idle_timeout"),
  max_connections: NO_CONNECTION_LIMIT,
  ...layer7Keys,
};
/** `[[listeners.routes]]` */
export const ROUTE: Section<typeof routeKeys> = { name: "listeners.routes", keys: routeKeys, tables: [] };

/** Names of {@linkcode ROUTE}'s keys that only layer 7 has. */
export const LAYER_7_KEYS: readonly string[] = Object.keys(layer7Keys);

/** Keys of {@linkcode GRPC}. */
export const grpcKeys = {
  addr: required(GRPC_ADDRESS),
  tls_cert: NO_PATH,
  tls_key: NO_PATH,
  client_ca: NO_PATH,
  allowed_clients: list(TEXT),
  read_only_clients: list(TEXT),
  insecure: NO_FLAG,
  reflection: NO_FLAG,
  client_cert: NO_PATH,
  client_key: NO_PATH,
  server_ca: NO_PATH,
};
/** `[grpc]` */
export const GRPC: Section<typeof grpcKeys> = { name: "grpc", keys: grpcKeys, tables: [] };

/** Keys of {@linkcode FIREWALL}. */
export const firewallKeys = {
  geoip_db: NO_PATH,
  block_unknown_country: NO_FLAG,
  limit_mode: optional(choice("enforce", "shadow"), "enforce", '"enforce"'),
  blocked_ips: list(RULE_VALUES.ip),
  blocked_cidrs: list(RULE_VALUES.cidr),
  blocked_countries: list(RULE_VALUES.country),
};
/** `[firewall]`, with its limits beside the keys that the type names. */
export const FIREWALL: Section<typeof firewallKeys> = {
  name: "firewall",
  keys: { ...firewallKeys, ...limitKeys("firewall") },
  tables: ["rules"],
};

/** Keys of {@linkcode RULE}. */
export const ruleKeys = {
  type: required(choice("ip", "cidr", "country")),
  value: required(TEXT),
  action: optional(choice("block", "allow"), "block", '"block"'),
  mode: optional(choice("enforce", "shadow"), "enforce", '"enforce"'),
  expires: absent(MOMENT, "never"),
  comment: optional(TEXT, "", '""'),
};
/** `[[firewall.rules]]` */
export const RULE: Section<typeof ruleKeys> = { name: "firewall.rules", keys: ruleKeys, tables: [] };

/** `[proxy]`: limits only. */
export const PROXY: Section = { name: "proxy", keys: limitKeys("proxy"), tables: [] };

/** `[http]`: limits only. */
export const HTTP: Section = { name: "http", keys: limitKeys("http"), tables: [] };

/** Keys of {@linkcode METRICS}. */
export const metricsKeys = { textfile: NO_PATH };
/** `[metrics]` */
export const METRICS: Section<typeof metricsKeys> = { name: "metrics", keys: metricsKeys, tables: [] };

/** Keys of {@linkcode LOG}. */
export const logKeys = {
  level: optional(choice("error", "warning", "info", "debug"), "info", '"info"'),
  format: optional(choice("json", "text"), "json", '"json"'),
  requests: NO_FLAG,
};
/** `[log]` */
export const LOG: Section<typeof logKeys> = { name: "log", keys: logKeys, tables: [] };

/** Every section but the top, in the order of the example file. */
export const SECTIONS: readonly Section[] = [
  DATABASE,
  LISTENER,
  ROUTE,
  GRPC,
  FIREWALL,
  RULE,
  PROXY,
  HTTP,
  METRICS,
  LOG,
];
