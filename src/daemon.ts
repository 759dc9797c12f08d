/**
 * The server's composition root: builds everything in order, and takes it down in reverse.
 *
 * @module
 */

import type { BootConfig } from "./config/parse.ts";
import { ProxyError } from "./errors.ts";
import { GeoipFile } from "./control/geoip_file.ts";
import { listenForFaults } from "./control/fault_input.ts";
import { programCommand } from "./control/program.ts";
import { Reload } from "./control/reload.ts";
import type { ServedState } from "./control/served_state.ts";
import { Signals } from "./control/signals.ts";
import { Supervisor } from "./control/supervisor.ts";
import { probeListeners } from "./net/probe.ts";
import { createMemoryFile, fileLimit, loadNative, mapMemoryFile } from "./net/native.ts";
import { COUNTER } from "./observe/counters.ts";
import { Log } from "./observe/log.ts";
import { sharedMemoryBytes } from "./observe/memory_layout.ts";
import { SharedMemory } from "./observe/shared_memory.ts";
import { LineWriter } from "./proxy/lines.ts";
import { formatEndpoint } from "./state/listen_address.ts";
import type { Limits } from "./state/limits.ts";
import type { Configuration } from "./state/model.ts";
import { configurationOfSeed, seedDiffers } from "./store/seed.ts";
import { Store } from "./store/store.ts";

/** How a server is run. */
export interface ServeOptions {
  /** Take orders on standard input to make workers fail. */
  readonly testingOnlyFaults: boolean;
}

/** Log lines that may wait for a reader. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** How long the last lines may take when nobody reads them. */
const LOG_FLUSH_MS = 2_000;
/** Descriptors of a worker that aren't connections'. */
const DESCRIPTORS_RESERVED = 256;
/** Descriptors that one connection may cost. */
const DESCRIPTORS_PER_CONNECTION = 3;

/**
 * Runs the server until a signal ends it.
 *
 * @returns the exit code: 0 after a drain, 1 after a second signal
 * @throws ProxyError when it can't start; nothing was touched then
 */
export async function serve(config: BootConfig, options: ServeOptions): Promise<number> {
  using signals = new Signals();
  const output = new LineWriter(Deno.stdout, LOG_BYTES_MAX);
  try {
    loadNative();
    using store = Store.open(config.settings.databasePath);
    const server = new Server(config, options, store, output);
    await server.start();
    signals.onHangup = () => void server.reload.reload();
    if (options.testingOnlyFaults) void listenForFaults(server.supervisor);
    await signals.stop;
    signals.onHangup = () => {};
    return await server.stop(signals.secondStop);
  } finally {
    await output.flush(LOG_FLUSH_MS);
  }
}

class Server {
  readonly supervisor: Supervisor;
  readonly reload: Reload;
  readonly #config: BootConfig;
  readonly #store: Store;
  readonly #log: Log;
  readonly #memory: SharedMemory;
  readonly #geoip: GeoipFile;
  readonly #limits: Limits;

  constructor(config: BootConfig, options: ServeOptions, store: Store, output: LineWriter) {
    const { settings } = config;
    this.#config = config;
    this.#store = store;
    this.#limits = effectiveLimits(settings.limits);
    const { workers, maxConnections } = this.#limits;
    const sizeBytes = sharedMemoryBytes(workers);
    const fd = createMemoryFile("mc-proxy", sizeBytes);
    const memory = new SharedMemory(mapMemoryFile(fd, sizeBytes), workers);
    this.#memory = memory;
    this.#geoip = new GeoipFile(settings.geoipDb);
    const log = new Log({
      level: settings.logLevel,
      format: settings.logFormat,
      write: (line) => output.write(line),
      onDropped: () => memory.main.count(COUNTER.eventsDropped),
    });
    this.#log = log;
    const requestLevel = settings.logRequests ? "info" : "debug";
    this.supervisor = new Supervisor({
      workers,
      connectionsMaxPerWorker: connectionsOfDescriptors(),
      memory,
      sharedMemory: { fd, sizeBytes },
      geoip: this.#geoip.memoryFile,
      log,
      command: programCommand(["worker", ...options.testingOnlyFaults ? ["--testing-only-faults"] : []]),
      onEvents: (events) => {
        for (const event of events) {
          if ("type" in event) log.request(event, requestLevel);
          else log.connection(event);
        }
      },
    });
    this.reload = new Reload({
      geoip: this.#geoip,
      log,
      count: (counter) => memory.main.count(counter),
      served: () => this.supervisor.served,
      inTurn: (work) => work(),
      change: (next) => this.supervisor.change(next, () => {}),
    });
    log.info("starting", { workers, max_connections: maxConnections });
  }

  /** Serves, or throws and leaves nothing behind. */
  async start(): Promise<void> {
    for (const detail of this.#config.warnings) this.#log.warning("config_warning", { detail });
    const configuration = this.#configuration();
    this.#requireCountries(configuration);
    const { geoip, certificates } = await this.reload.load(configuration);
    probeListeners(configuration.listeners.map((listener) => listener.address));
    const state: ServedState = {
      configuration,
      revision: this.#store.isNew ? 1 : this.#store.revision,
      generation: 0,
      certificates,
      options: {
        limits: this.#limits,
        blockUnknownCountry: this.#config.settings.blockUnknownCountry,
        limitMode: this.#config.settings.limitMode,
        tellsRequests: this.#tellsRequests(),
        ...(geoip !== undefined && { geoip }),
      },
    };
    await this.supervisor.start(state, () => {
      if (this.#store.isNew) this.#store.seed(configuration, Date.now());
    });
    this.reload.watch();
    this.#log.info("ready", {
      revision: state.revision,
      pid: Deno.pid,
      listeners: configuration.listeners.map(({ id, address }) => ({ id, addr: formatEndpoint(address) })),
    });
  }

  #tellsRequests(): boolean {
    const { logRequests, logLevel } = this.#config.settings;
    return logLevel === "debug" || (logRequests && logLevel === "info");
  }

  #configuration(): Configuration {
    const { seed } = this.#config;
    if (this.#store.isNew) return configurationOfSeed(seed);
    const configuration = this.#store.readConfiguration();
    if (seedDiffers(seed, configuration)) {
      const detail = "the file's listeners and firewall rules differ from the database, which rules";
      this.#log.info("seed_ignored", { detail, database: this.#store.path });
    }
    return configuration;
  }

  /** Fails closed: without a database no country rule would ever match. */
  #requireCountries({ firewallRules }: Configuration): void {
    if (this.#geoip.isConfigured || !firewallRules.some((rule) => rule.type === "country")) return;
    const path = this.#store.path;
    throw new ProxyError(
      "config",
      `the database "${path}" has country rules: [firewall] geoip_db must name a file`,
    );
  }

  /** Drains and ends; a second signal ends at once. @returns the exit code */
  async stop(secondStop: Promise<void>): Promise<number> {
    const { drainDelayMs, shutdownTimeoutMs } = this.#limits;
    this.reload[Symbol.dispose]();
    this.#log.info("draining", { drain_delay_ms: drainDelayMs, shutdown_timeout_ms: shutdownTimeoutMs });
    const cut = await Promise.race([this.#drain(drainDelayMs, shutdownTimeoutMs), secondStop]);
    if (cut === undefined) {
      await this.supervisor.kill();
      this.#log.warning("stopped", { detail: "a second signal ended the drain" });
      return 1;
    }
    this.#log.info("stopped", {
      cut,
      worker_restarts: this.supervisor.restarts,
      events_dropped: this.#memory.counted(COUNTER.eventsDropped),
    });
    return 0;
  }

  async #drain(drainDelayMs: number, shutdownTimeoutMs: number): Promise<number> {
    if (drainDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, drainDelayMs));
    return await this.supervisor.drain(shutdownTimeoutMs);
  }
}

/** Fills in what is computed at start. */
function effectiveLimits(limits: Limits): Limits {
  const workers = limits.workers || navigator.hardwareConcurrency;
  const maxConnections = limits.maxConnections || workers * connectionsOfDescriptors();
  return { ...limits, workers, maxConnections, rateBurst: limits.rateBurst || limits.rateLimit * 2 };
}

/** Connections that one worker's file limit allows it. */
function connectionsOfDescriptors(): number {
  return Math.max(1, Math.floor((fileLimit() - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_CONNECTION));
}
