/**
 * What a server is made of, wired together and not yet at work.
 *
 * @module
 */

import { ConnectionFeed } from "../admin/connection_feed.ts";
import type { BootConfig } from "../config/parse.ts";
import { requireChangeNeeds } from "../control/change_needs.ts";
import { Changes } from "../control/changes.ts";
import { DeadlineWatch } from "../control/deadline_watch.ts";
import { connectionsOfDescriptors, effectiveLimits } from "../control/effective_limits.ts";
import { GeoipFile } from "../control/geoip_file.ts";
import { programCommand } from "../control/program.ts";
import { Reload } from "../control/reload.ts";
import { Supervisor } from "../control/supervisor.ts";
import { Turns } from "../control/turns.ts";
import { messageOf } from "../errors.ts";
import { createMemoryFile, mapMemoryFile } from "../net/native.ts";
import { COUNTER } from "../observe/counters.ts";
import type { ConnectionEvent, RequestEvent } from "../observe/events.ts";
import { Log } from "../observe/log.ts";
import { sharedMemoryBytes } from "../observe/memory_layout.ts";
import { SharedMemory } from "../observe/shared_memory.ts";
import type { LineWriter } from "../proxy/lines.ts";
import type { MemoryFile } from "../proxy/messages.ts";
import type { Limits } from "../state/limits.ts";
import type { Settings } from "../state/settings.ts";
import type { Store } from "../store/store.ts";
import type { ServeOptions } from "./serve_options.ts";

/** What needs no database: it is there before one is opened. */
export interface Instruments {
  /** Effective limits. */
  readonly limits: Limits;
  /** Where everything is told. */
  readonly log: Log;
  /** Counters and gauges. */
  readonly memory: SharedMemory;
  /** The same for a worker to map. */
  readonly sharedMemory: MemoryFile;
}

/** A server's parts. */
export interface Parts extends Instruments {
  /** What the TOML file says. */
  readonly config: BootConfig;
  /** How the server is run. */
  readonly options: ServeOptions;
  /** Where revisions are. */
  readonly store: Store;
  /** Connections that have ended. */
  readonly feed: ConnectionFeed;
  /** The GeoIP file. */
  readonly geoip: GeoipFile;
  /** One change at a time. */
  readonly turns: Turns;
  /** The workers. */
  readonly supervisor: Supervisor;
  /** Reads files again. */
  readonly reload: Reload;
  /** The way to change the configuration. */
  readonly changes: Changes;
  /** What changes it by itself. */
  readonly deadlines: DeadlineWatch;
}

/** Makes the instruments. @param output takes the log's lines */
export function makeInstruments(settings: Settings, output: LineWriter): Instruments {
  const limits = effectiveLimits(settings.limits);
  const sizeBytes = sharedMemoryBytes(limits.workers);
  const fd = createMemoryFile("mc-proxy", sizeBytes);
  const memory = new SharedMemory(mapMemoryFile(fd, sizeBytes), limits.workers);
  const log = new Log({
    level: settings.logLevel,
    format: settings.logFormat,
    write: (line) => output.write(line),
    onDropped: () => memory.main.count(COUNTER.eventsDropped),
  });
  return { limits, log, memory, sharedMemory: { fd, sizeBytes } };
}

/** Wires the parts together. Nothing is started. */
export function makeParts(
  instruments: Instruments,
  config: BootConfig,
  options: ServeOptions,
  store: Store,
): Parts {
  const { log, memory } = instruments;
  const geoip = new GeoipFile(config.settings.geoipDb);
  const feed = new ConnectionFeed();
  const turns = new Turns();
  const supervisor = new Supervisor({
    workers: instruments.limits.workers,
    connectionsMaxPerWorker: connectionsOfDescriptors(),
    memory,
    sharedMemory: instruments.sharedMemory,
    geoip: geoip.memoryFile,
    log,
    command: programCommand(["worker", ...options.testingOnlyFaults ? ["--testing-only-faults"] : []]),
    onEvents: eventTaker(log, feed, config.settings.logRequests ? "info" : "debug"),
  });
  const reload = new Reload({
    geoip,
    log,
    count: (counter) => memory.main.count(counter),
    served: () => supervisor.served,
    inTurn: (work) => turns.run(work),
    change: (next) => supervisor.change(next, () => {}),
  });
  const changes: Changes = new Changes({
    store,
    turns,
    served: () => supervisor.served,
    change: (next, commit) => supervisor.change(next, commit),
    readFiles: async (next, edits) => {
      requireChangeNeeds(supervisor.served!.configuration, edits, geoip.isConfigured);
      return await reload.withFiles(next, edits);
    },
    now: Date.now,
    onChanged: (kind, revision, author) => {
      log.info("config_changed", { kind, revision, author });
      deadlines.look();
    },
  });
  const deadlines = new DeadlineWatch({
    now: Date.now,
    configuration: () => supervisor.served?.configuration,
    pending: () => changes.pending,
    removeExpired: () => changes.removeExpired(),
    revertOverdue: () => changes.revertOverdue(),
    onError: (error) => log.error("change_failed", { detail: messageOf(error) }),
  });
  return {
    ...instruments,
    config,
    options,
    store,
    feed,
    geoip,
    turns,
    supervisor,
    reload,
    changes,
    deadlines,
  };
}

function eventTaker(
  log: Log,
  feed: ConnectionFeed,
  requestLevel: "info" | "debug",
): (events: readonly (ConnectionEvent | RequestEvent)[]) => void {
  return (events) => {
    for (const event of events) {
      if ("type" in event) log.request(event, requestLevel);
      else {
        log.connection(event);
        feed.add(event);
      }
    }
  };
}
