/**
 * Real workers for tests of what commands them: a supervisor in this process, and everything that it needs.
 *
 * @module
 */

import { NO_CERTIFICATES } from "../../src/control/certificate_set.ts";
import { GeoipFile } from "../../src/control/geoip_file.ts";
import type { ServedState } from "../../src/control/served_state.ts";
import { Supervisor } from "../../src/control/supervisor.ts";
import { closeDescriptor, createMemoryFile, loadNative, mapMemoryFile } from "../../src/net/native.ts";
import type { ConnectionEvent } from "../../src/observe/events.ts";
import { Log } from "../../src/observe/log.ts";
import { sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Configuration, Listener, Route } from "../../src/state/model.ts";
import { arrivals } from "../support/arrivals.ts";
import type { LogEvent } from "../support/program.ts";
import { programCommand } from "../support/program_command.ts";

loadNative();

/** A supervisor with its workers. Disposal kills them. */
export interface Workers extends AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly memory: SharedMemory;
  /** Connections that have ended. */
  readonly events: ConnectionEvent[];
  /** Lines of the log. */
  readonly log: LogEvent[];
  /** The first line with this event, now or when it comes. */
  logged(event: string): Promise<LogEvent | undefined>;
}

/** A supervisor for two workers, none of them started. */
export function createWorkers(workers = 2): Workers {
  const sizeBytes = sharedMemoryBytes(workers);
  const fd = createMemoryFile("mc-proxy", sizeBytes);
  const memory = new SharedMemory(mapMemoryFile(fd, sizeBytes), workers);
  const events: ConnectionEvent[] = [];
  const log: LogEvent[] = [];
  const heard = arrivals();
  const { path, args } = programCommand();
  const geoip = new GeoipFile("").memoryFile;
  const supervisor = new Supervisor({
    workers,
    connectionsMaxPerWorker: 1_000,
    memory,
    sharedMemory: { fd, sizeBytes },
    geoip,
    log: new Log({
      level: "info",
      format: "json",
      write: (line) => {
        log.push(JSON.parse(line));
        heard.notify();
        return true;
      },
      onDropped: () => {},
    }),
    command: { path, args: [...args, "worker"], env: Deno.env.toObject() },
    onEvents: (batch) =>
      void events.push(...batch.filter((event): event is ConnectionEvent => !("type" in event))),
  });
  return {
    supervisor,
    memory,
    events,
    log,
    logged: (event) => heard.until(() => log.find((line) => line["event"] === event), 10_000),
    [Symbol.asyncDispose]: async () => {
      await supervisor.kill();
      // Or every process that a later test starts inherits them.
      for (const each of [fd, geoip.fd]) closeDescriptor(each);
    },
  };
}

/** A state to serve, revision 1. */
export function stateOf(configuration: Configuration, revision = 1): ServedState {
  return {
    configuration,
    revision,
    generation: 0,
    certificates: NO_CERTIFICATES,
    options: {
      limits: DEFAULT_LIMITS,
      blockUnknownCountry: false,
      limitMode: "enforce",
      tellsRequests: false,
    },
  };
}

/** A listener on 127.0.0.1 with routes by name. */
export function listenerOn(id: number, port: number, routes: readonly Route[]): Listener {
  return {
    id,
    address: { host: "127.0.0.1", port },
    maxConnections: 0,
    proxyProtocol: false,
    trustedProxies: [],
    routes,
  };
}

/** A route at layer 4 to a backend of 127.0.0.1. */
export function routeTo(id: number, hostname: string, port: number): Route {
  return {
    id,
    hostname,
    backend: { host: "127.0.0.1", port },
    enabled: true,
    mode: "l4",
    sendProxyProtocol: false,
    maxConnections: 0,
  };
}
