/**
 * What is read from the TOML file at each start and is not part of a revision.
 *
 * @module
 */

import type { Limits } from "./limits.ts";

/** The gRPC admin API, `[grpc]`. Paths are absolute. */
export interface GrpcSettings {
  /** `unix:/absolute/path` or `host:port`. */
  readonly addr: string;
  /** PEM file with the certificate chain that clients see; empty = none. */
  readonly tlsCert: string;
  /** PEM file with its private key; empty = none. */
  readonly tlsKey: string;
  /** PEM file with the CA of client certificates; empty = none are asked for. */
  readonly clientCa: string;
  /** Names (SAN or CN) of certificates that may administer. */
  readonly allowedClients: readonly string[];
  /** Names (SAN or CN) of certificates that may look and not change. */
  readonly readOnlyClients: readonly string[];
  /** Allows loopback TCP without client certificates, with TLS or without. Default false. */
  readonly insecure: boolean;
  /** Answers gRPC server reflection. Default false. */
  readonly reflection: boolean;
  /** PEM file with the certificate that mc-proxy's own commands show; empty = none. */
  readonly clientCert: string;
  /** PEM file with its private key; empty = none. */
  readonly clientKey: string;
  /** PEM file with the CA by which mc-proxy's own commands verify the server; empty = the system's. */
  readonly serverCa: string;
}

/** What becomes of a client over a limit by address: kept out, or counted and let in. */
export type LimitMode = "enforce" | "shadow";

/** How much is logged; each level includes those before it: error, warning, info, debug. */
export type LogLevel = "error" | "warning" | "info" | "debug";

/** Everything in the TOML file but listeners, routes and firewall rules. Paths are absolute. */
export interface Settings {
  /** The SQLite file; it need not exist before the first start, its folder must. */
  readonly databasePath: string;
  /** Absent when the file has no `[grpc]` section. */
  readonly grpc?: GrpcSettings;
  /** Country database in MaxMind's format; empty = none. */
  readonly geoipDb: string;
  /** Block addresses whose country the database doesn't know; private ones are never unknown. Default false. */
  readonly blockUnknownCountry: boolean;
  /** Whether `rate_limit` and `max_connections_per_ip` are enforced, or only counted. Default `enforce`. */
  readonly limitMode: LimitMode;
  /** As the file says or by default; what 0 computes is not computed yet. */
  readonly limits: Limits;
  /** File that gets the metrics in Prometheus' text format; empty = none. */
  readonly metricsTextfile: string;
  /** Default `info`. */
  readonly logLevel: LogLevel;
  /** One line per event on stdout. Default `json`. */
  readonly logFormat: "json" | "text";
  /** One line per L7 request at info. */
  readonly logRequests: boolean;
}
