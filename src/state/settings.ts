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
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly clientCa: string;
  readonly allowedClients: readonly string[];
  readonly readOnlyClients: readonly string[];
  readonly insecure: boolean;
  readonly reflection: boolean;
  readonly clientCert: string;
  readonly clientKey: string;
  readonly serverCa: string;
}

/** How much is logged; each level includes those before it: error, warning, info, debug. */
export type LogLevel = "error" | "warning" | "info" | "debug";

/** Everything in the TOML file but listeners, routes and firewall rules. Paths are absolute. */
export interface Settings {
  readonly databasePath: string;
  /** Absent when the file has no `[grpc]` section. */
  readonly grpc?: GrpcSettings;
  /** Country database in MaxMind's format; empty = none. */
  readonly geoipDb: string;
  readonly blockUnknownCountry: boolean;
  readonly limits: Limits;
  /** File that gets the metrics in Prometheus' text format; empty = none. */
  readonly metricsTextfile: string;
  readonly logLevel: LogLevel;
  readonly logFormat: "json" | "text";
  /** One line per L7 request at info. */
  readonly logRequests: boolean;
}
