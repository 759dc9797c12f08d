/**
 * What `mc-proxy check` has to say about a configuration. The names are those of the TOML file, and of the
 * command's JSON.
 *
 * @module
 */

import type { BootConfig } from "../config/parse.ts";
import { formatDuration } from "../config/duration.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import { type LimitRow, LIMITS } from "../state/limits.ts";
import type {
  FirewallAction,
  FirewallRule,
  FirewallRuleType,
  ListenerSeed,
  Route,
  Seed,
} from "../state/model.ts";

/** One route as the report shows it. */
export interface RouteReport {
  readonly hostname: string;
  readonly backend: string;
  readonly enabled: boolean;
  readonly mode: string;
  readonly send_proxy_protocol: boolean;
  /** Absent = `[proxy] idle_timeout`. */
  readonly idle_timeout?: string;
  readonly max_connections: number;
}

/** One listener as the report shows it. */
export interface ListenerReport {
  readonly addr: string;
  readonly max_connections: number;
  readonly proxy_protocol: boolean;
  readonly trusted_proxies: readonly string[];
  readonly routes: readonly RouteReport[];
}

/** How many rules there are of one action and type. */
export interface RuleCount {
  readonly action: FirewallAction;
  readonly type: FirewallRuleType;
  readonly enforced: number;
  readonly shadow: number;
}

/** A limit that is not at its default, both as an operator would write them. */
export interface LimitReport {
  readonly key: string;
  readonly value: string;
  readonly default: string;
}

/** What would be served. Holds paths, never the content of a file. */
export interface CheckReport {
  /** The TOML file as it was named. */
  readonly file: string;
  readonly database: { readonly path: string; readonly exists: boolean };
  readonly listeners: readonly ListenerReport[];
  readonly firewall: {
    readonly counts: readonly RuleCount[];
    readonly geoip_db: string;
    readonly block_unknown_country: boolean;
  };
  readonly limits: readonly LimitReport[];
  readonly warnings: readonly string[];
}

/**
 * Builds the report.
 *
 * @param file the TOML file as the operator named it
 * @param config what is in it
 * @param databaseExists whether a database stands at its path already
 */
export function reportCheck(file: string, config: BootConfig, databaseExists: boolean): CheckReport {
  const { settings, seed } = config;
  return {
    file,
    database: { path: settings.databasePath, exists: databaseExists },
    listeners: seed.listeners.map(reportListener),
    firewall: {
      counts: countRules(seed.firewallRules),
      geoip_db: settings.geoipDb,
      block_unknown_country: settings.blockUnknownCountry,
    },
    limits: Object.entries(LIMITS).flatMap(([name, row]) => {
      const value = settings.limits[name as keyof typeof LIMITS];
      if (value === row.default) return [];
      return [{ key: row.key, value: formatLimit(row, value), default: formatLimit(row, row.default) }];
    }),
    warnings: config.warnings,
  };
}

function reportListener(listener: ListenerSeed): ListenerReport {
  return {
    addr: formatEndpoint(listener.address),
    max_connections: listener.maxConnections,
    proxy_protocol: listener.proxyProtocol,
    trusted_proxies: listener.trustedProxies,
    routes: listener.routes.map(reportRoute),
  };
}

function reportRoute(route: Seed<Route>): RouteReport {
  return {
    hostname: route.hostname,
    backend: formatEndpoint(route.backend),
    enabled: route.enabled,
    mode: route.mode,
    send_proxy_protocol: route.sendProxyProtocol,
    ...(route.idleTimeoutMs === undefined ? {} : { idle_timeout: formatDuration(route.idleTimeoutMs) }),
    max_connections: route.maxConnections,
  };
}

const ACTIONS: readonly FirewallAction[] = ["allow", "block"];
const TYPES: readonly FirewallRuleType[] = ["ip", "cidr", "country"];

function countRules(rules: readonly Seed<FirewallRule>[]): readonly RuleCount[] {
  return ACTIONS.flatMap((action) =>
    TYPES.flatMap((type) => {
      const matching = rules.filter((rule) => rule.action === action && rule.type === type);
      if (matching.length === 0) return [];
      const shadow = matching.filter((rule) => rule.mode === "shadow").length;
      return [{ action, type, enforced: matching.length - shadow, shadow }];
    })
  );
}

function formatLimit(row: LimitRow, value: number): string {
  return row.unit === "duration" ? formatDuration(value) : String(value);
}
