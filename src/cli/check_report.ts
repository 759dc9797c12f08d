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
import type { Finding } from "./finding.ts";

/** One route as the report shows it. */
export interface RouteReport {
  /** Canonical. */
  readonly hostname: string;
  /** `host:port`, canonical. */
  readonly backend: string;
  /** A disabled route is not served. */
  readonly enabled: boolean;
  /** `l4` or `l7`. */
  readonly mode: string;
  /** Whether the backend gets a PROXY protocol header. */
  readonly send_proxy_protocol: boolean;
  /** Absent = `[proxy] idle_timeout`. */
  readonly idle_timeout?: string;
  /** 0 = no limit. */
  readonly max_connections: number;
}

/** One listener as the report shows it. */
export interface ListenerReport {
  /** `address:port`, canonical. */
  readonly addr: string;
  /** 0 = no limit. */
  readonly max_connections: number;
  /** Whether clients come with a PROXY protocol header. */
  readonly proxy_protocol: boolean;
  /** Who may send that header. */
  readonly trusted_proxies: readonly string[];
  /** In the order of the file. */
  readonly routes: readonly RouteReport[];
}

/** How many rules there are of one action and type. */
export interface RuleCount {
  /** What the rules do. */
  readonly action: FirewallAction;
  /** What they match. */
  readonly type: FirewallRuleType;
  /** Rules that act. */
  readonly enforced: number;
  /** Rules that are counted only. */
  readonly shadow: number;
}

/** A limit that is not at its default, both as an operator would write them. */
export interface LimitReport {
  /** Section and key, such as `proxy.workers`. */
  readonly key: string;
  /** What the file says. */
  readonly value: string;
  /** What it would be without the file. */
  readonly default: string;
}

/** What would be served. Holds paths, never the content of a file. */
export interface CheckReport {
  /** The TOML file as it was named. */
  readonly file: string;
  /** Where the database is, and whether it is there already. */
  readonly database: { readonly path: string; readonly exists: boolean };
  /** In the order of the file. */
  readonly listeners: readonly ListenerReport[];
  /** How many rules there are, and what countries stand on. */
  readonly firewall: {
    readonly counts: readonly RuleCount[];
    readonly geoip_db: string;
    readonly block_unknown_country: boolean;
  };
  /** Those that are not at their defaults. */
  readonly limits: readonly LimitReport[];
  /** What has no effect, one sentence each. */
  readonly warnings: readonly string[];
  /** Files of no use, certificates that are about to expire, backends that lead back here. */
  readonly problems: readonly Finding[];
}

/**
 * Builds the report.
 *
 * @param file the TOML file as the operator named it
 * @param config what is in it
 * @param databaseExists whether a database stands at its path already
 * @param problems what the files that it names are found to be
 */
export function reportCheck(
  file: string,
  config: BootConfig,
  databaseExists: boolean,
  problems: readonly Finding[] = [],
): CheckReport {
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
    problems,
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
