/**
 * What the admin API works on: the running server as its composition root hands it over.
 *
 * @module
 */

import type { ShownCertificate } from "../control/certificate_set.ts";
import type { Changes } from "../control/changes.ts";
import type { Handover } from "../control/handover.ts";
import type { ServedState } from "../control/served_state.ts";
import type { NamedTurns } from "../control/turns.ts";
import type { ServedNumbers } from "../control/worker_process.ts";
import type { WorkerQueries } from "../control/worker_queries.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import type { Settings } from "../state/settings.ts";
import type { Store } from "../store/store.ts";
import type { Caller } from "./caller.ts";
import type { ConnectionFeed } from "./connection_feed.ts";

/** One kind of file, as it was read last. */
export interface ReloadOutcome {
  /** `geoip`, `certificate`, or `grpc` for the admin API's own. */
  readonly what: string;
  /** Unix ms. */
  readonly timeMs: number;
  /** Why it failed; absent = it worked. */
  readonly problem?: string;
}

/** One worker's place. */
export interface WorkerPlace {
  /** Its number. */
  readonly column: number;
  /** Absent = nobody is there. */
  readonly pid: number | undefined;
  /** What it serves; absent = nothing yet. */
  readonly serves: ServedNumbers | undefined;
}

/** What is counted. */
export interface Tallies {
  /** Connections open now. */
  readonly all: number;
  /** Connections that a worker has open. */
  worker(column: number): number;
  /** Connections that a listener has open. */
  listener(id: number): number;
  /** Connections that a route has open. */
  route(id: number): number;
  /** Connections that an address (IPv6: its /64) has open; counted with `max_connections_per_ip` only. */
  address(address: IpAddress): number;
  /** Connections of a listener that have ended. */
  ended(listenerId: number): number;
}

/** The running server. */
export interface ControlPlane {
  /** Of mc-proxy. */
  readonly version: string;
  /** What the TOML file says beside the seed, as it says it. */
  readonly fileSettings: Settings;
  /** The same with effective limits. */
  readonly settings: Settings;
  /** When the server was started, Unix ms. */
  readonly startedMs: number;
  /** Where revisions are. */
  readonly store: Store;
  /** The way to change the configuration. */
  readonly changes: Changes;
  /** One call at a time for each author's idempotency key. */
  readonly keyTurns: NamedTurns;
  /** Questions to the workers. */
  readonly queries: WorkerQueries;
  /** Connections that have ended. */
  readonly feed: ConnectionFeed;
  /** What is counted. */
  readonly tallies: Tallies;
  /** What all workers serve. */
  readonly served: () => ServedState;
  /** Every worker's place. */
  readonly workers: () => readonly WorkerPlace[];
  /** Workers that were replaced. */
  readonly workerRestarts: () => number;
  /** The country of an address, where it is known. */
  readonly country: (address: IpAddress) => string | undefined;
  /** Whether an address's rate bucket has a token; takes none. */
  readonly hasRateToken: (address: IpAddress) => boolean;
  /** When the GeoIP database in use was built, Unix ms; absent = none is configured. */
  readonly geoipBuiltMs: () => number | undefined;
  /** The certificate that a route shows; absent = it has none that can be used. */
  readonly certificate: (routeId: number) => ShownCertificate | undefined;
  /** What is wrong with the dates of the admin API's own certificate; absent = nothing. */
  readonly ownDateProblem: () => string | undefined;
  /** The last reload of each kind of file. */
  readonly reloads: () => readonly ReloadOutcome[];
  /** Reads files again. */
  readonly reload: () => Promise<readonly ReloadOutcome[]>;
  /** Copies the database in a process of its own. @throws ProxyError */
  readonly snapshot: (
    path: string | undefined,
    signal: AbortSignal,
  ) => Promise<{ readonly path: string; readonly sizeBytes: number; readonly revision: number }>;
  /** Metrics in Prometheus' text format. */
  readonly metrics: () => string;
  /** Whether the server is about to stop. */
  readonly isDraining: () => boolean;
  /** Why nothing can be changed at the moment; absent = it can. */
  readonly refusal: () => string | undefined;
  /** The giving side of a hand-over. */
  readonly handover: Pick<Handover, "release" | "commit">;
  /** The admin API's own socket. */
  readonly adminSocket: AdminSocket;
  /** How often the service manager wants a sign of life, in ms; absent = it doesn't. */
  readonly watchdogMs: number | undefined;
}

/** The admin API's own socket, for a hand-over. */
export interface AdminSocket {
  /** Stops listening and ends every connection but the caller's. */
  readonly release: (kept: Caller) => Promise<void>;
  /** Listens again. @throws ProxyError when it can't */
  readonly retake: () => Promise<void>;
}
