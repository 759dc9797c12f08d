/**
 * The running server's parts as the admin API wants them.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };
import type { BootConfig } from "../config/parse.ts";
import type { Changes } from "../control/changes.ts";
import type { GeoipFile } from "../control/geoip_file.ts";
import type { Handover } from "../control/handover.ts";
import { metricsText } from "../control/measure.ts";
import type { Reload } from "../control/reload.ts";
import type { ServedState } from "../control/served_state.ts";
import { SnapshotQueue } from "../control/snapshot_process.ts";
import type { Supervisor } from "../control/supervisor.ts";
import { Tallies } from "../control/tallies.ts";
import { NamedTurns } from "../control/turns.ts";
import { ProxyError } from "../errors.ts";
import type { CountryDatabase } from "../net/geoip.ts";
import { monotonicMs } from "../net/native.ts";
import type { SharedMemory } from "../observe/shared_memory.ts";
import type { Limits } from "../state/limits.ts";
import type { Store } from "../store/store.ts";
import type { ConnectionFeed } from "./connection_feed.ts";
import type { AdminSocket, ControlPlane } from "./control_plane.ts";
import type { OwnCertificates } from "./own_certificates.ts";

/** A running server's parts. */
export interface ServerParts {
  /** The way to change the configuration. */
  readonly changes: Changes;
  /** What the TOML file says. */
  readonly config: BootConfig;
  /** The TOML file. */
  readonly configPath: string;
  /** Connections that have ended. */
  readonly feed: ConnectionFeed;
  /** The GeoIP file. */
  readonly geoip: GeoipFile;
  /** The giving side of a hand-over. */
  readonly handover: Handover;
  /** Whether the server is about to stop. */
  readonly isDraining: () => boolean;
  /** Whether another process has not yet been relieved: nothing is changed before. */
  readonly isTakingOver: () => boolean;
  /** How often the service manager wants a sign of life, in ms; absent = it doesn't. */
  readonly watchdogMs: number | undefined;
  /** Effective limits. */
  readonly limits: Limits;
  /** Counters and gauges. */
  readonly memory: SharedMemory;
  /** Reads files again. */
  readonly reload: Reload;
  /** Where revisions are. */
  readonly store: Store;
  /** The workers. */
  readonly supervisor: Supervisor;
}

/** Puts them together. @param own the admin API's own certificates @param socket where it listens */
export function runningPlane(parts: ServerParts, own: OwnCertificates, socket: AdminSocket): ControlPlane {
  const { changes, config, feed, limits, memory, reload, store, supervisor, isDraining, handover } = parts;
  const snapshots = new SnapshotQueue();
  const rates = memory.rates(monotonicMs);
  const served = (): ServedState => {
    if (supervisor.served === undefined) throw new ProxyError("unavailable", "the proxy is not serving yet");
    return supervisor.served;
  };
  const database = (): CountryDatabase | undefined => parts.geoip.databaseAt(served().options.geoip);
  return {
    version: project.version,
    fileSettings: config.settings,
    settings: { ...config.settings, limits },
    startedMs: Date.now(),
    store,
    changes,
    keyTurns: new NamedTurns(),
    queries: supervisor.queries,
    feed,
    tallies: new Tallies(memory, supervisor.slots),
    served,
    workers: () => supervisor.workers,
    workerRestarts: () => supervisor.restarts,
    country: (address) => database()?.country(address),
    hasRateToken: (address) => {
      const { rateLimit: ratePerSecond, rateBurst: burst } = limits;
      return rates.hasToken(address, { ratePerSecond, burst });
    },
    geoipBuiltMs: () => database()?.builtAtMs,
    certificate: (routeId) => served().certificates.routes.get(routeId)?.shown,
    ownDateProblem: () => own.dateProblem,
    reloads: () => [...reload.outcomes, ...own.outcomes],
    reload: async () => {
      await reload.reload();
      await own.reload();
      return [...reload.outcomes, ...own.outcomes];
    },
    snapshot: (path, signal) => snapshots.take(parts.configPath, path, signal),
    metrics: () => metricsText(parts, Date.now()),
    isDraining,
    refusal: () =>
      parts.isTakingOver()
        ? "this process has just begun to take over: ask again in a moment"
        : handover.refusal,
    handover,
    adminSocket: socket,
    watchdogMs: parts.watchdogMs,
  };
}
