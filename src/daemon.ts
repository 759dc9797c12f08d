/**
 * The server's composition root: builds everything in order, and takes it down in reverse.
 *
 * @module
 */

import type { Admin } from "./admin/admin.ts";
import { ConnectionFeed } from "./admin/connection_feed.ts";
import type { BootConfig } from "./config/parse.ts";
import { requireChangeNeeds } from "./control/change_needs.ts";
import { Changes } from "./control/changes.ts";
import { requireCountries } from "./control/country_rules.ts";
import { DeadlineWatch } from "./control/deadline_watch.ts";
import { connectionsOfDescriptors, effectiveLimits, shortOfDescriptors } from "./control/effective_limits.ts";
import { GeoipFile } from "./control/geoip_file.ts";
import { listenForFaults } from "./control/fault_input.ts";
import { programCommand } from "./control/program.ts";
import { type MeasuredServer, MetricsFile } from "./control/measure.ts";
import { takeBackOverdue } from "./control/overdue.ts";
import { Reload } from "./control/reload.ts";
import type { ServedState } from "./control/served_state.ts";
import { Signals } from "./control/signals.ts";
import { Supervisor } from "./control/supervisor.ts";
import { Turns } from "./control/turns.ts";
import { messageOf } from "./errors.ts";
import { probeListeners } from "./net/probe.ts";
import { createMemoryFile, loadNative, mapMemoryFile } from "./net/native.ts";
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
  /** The TOML file, for other processes of this program. */
  readonly configPath: string;
}

/** Log lines that may wait for a reader. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** How long the last lines may take when nobody reads them. */
const LOG_FLUSH_MS = 2_000;

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
    signals.onHangup = () => void (server.admin ?? server.reload).reload();
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
  readonly #options: ServeOptions;
  readonly #feed = new ConnectionFeed();
  readonly #turns = new Turns();
  readonly #changes: Changes;
  readonly #deadlines: DeadlineWatch;
  admin: Admin | undefined;
  #metricsFile: MetricsFile | undefined;
  #isDraining = false;

  constructor(config: BootConfig, options: ServeOptions, store: Store, output: LineWriter) {
    const { settings } = config;
    this.#config = config;
    this.#options = options;
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
          else {
            log.connection(event);
            this.#feed.add(event);
          }
        }
      },
    });
    this.reload = new Reload({
      geoip: this.#geoip,
      log,
      count: (counter) => memory.main.count(counter),
      served: () => this.supervisor.served,
      inTurn: (work) => this.#turns.run(work),
      change: (next) => this.supervisor.change(next, () => {}),
    });
    this.#changes = this.#makeChanges();
    this.#deadlines = this.#makeDeadlines();
    log.info("starting", { workers, max_connections: maxConnections });
  }

  #makeChanges(): Changes {
    return new Changes({
      store: this.#store,
      turns: this.#turns,
      served: () => this.supervisor.served,
      change: (next, commit) => this.supervisor.change(next, commit),
      readFiles: async (next, changes) => {
        requireChangeNeeds(this.supervisor.served!.configuration, changes, this.#geoip.isConfigured);
        return await this.reload.withFiles(next, changes);
      },
      now: Date.now,
      onChanged: (kind, revision, author) => {
        this.#log.info("config_changed", { kind, revision, author });
        this.#deadlines.look();
      },
    });
  }

  #makeDeadlines(): DeadlineWatch {
    return new DeadlineWatch({
      now: Date.now,
      configuration: () => this.supervisor.served?.configuration,
      pending: () => this.#changes.pending,
      removeExpired: () => this.#changes.removeExpired(),
      revertOverdue: () => this.#changes.revertOverdue(),
      onError: (error) => this.#log.error("change_failed", { detail: messageOf(error) }),
    });
  }

  /** Serves, or throws and leaves nothing behind. */
  async start(): Promise<void> {
    const revision = takeBackOverdue(this.#store, Date.now());
    if (revision !== undefined) {
      this.#log.warning("config_changed", { kind: "revert", revision, author: "system" });
    }
    const shortage = shortOfDescriptors(this.#limits);
    for (const detail of [...this.#config.warnings, ...shortage === undefined ? [] : [shortage]]) {
      this.#log.warning("config_warning", { detail });
    }
    const configuration = this.#configuration();
    requireCountries(configuration, this.#geoip.isConfigured, this.#store.path);
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
    this.#deadlines.look();
    await this.#startAdmin();
    const { metricsTextfile: path } = this.#config.settings;
    if (path !== "") this.#metricsFile = new MetricsFile(path, () => this.#measured(), this.#log);
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

  #measured(): MeasuredServer {
    const served = this.supervisor.served!;
    const { slots, restarts: workerRestarts } = this.supervisor;
    const { geoip } = served.options;
    const geoipBuiltMs = geoip && this.#geoip.databaseAt(geoip).builtAtMs;
    return { memory: this.#memory, slots, served, workerRestarts, geoipBuiltMs };
  }

  /** Its code takes a quarter of a second to load: listeners stand before. */
  async #startAdmin(): Promise<void> {
    const { grpc } = this.#config.settings;
    if (grpc === undefined) return;
    try {
      const { Admin } = await import("./admin/admin.ts");
      const parts = {
        changes: this.#changes,
        config: this.#config,
        configPath: this.#options.configPath,
        feed: this.#feed,
        geoip: this.#geoip,
        isDraining: () => this.#isDraining,
        limits: this.#limits,
        memory: this.#memory,
        reload: this.reload,
        store: this.#store,
        supervisor: this.supervisor,
      };
      this.admin = await Admin.start(
        grpc,
        parts,
        (detail) => this.#log.warning("admin_refused", { detail }),
      );
    } catch (error) {
      await this.supervisor.kill();
      throw error;
    }
  }

  /** Drains and ends; a second signal ends at once. @returns the exit code */
  async stop(secondStop: Promise<void>): Promise<number> {
    const { drainDelayMs, shutdownTimeoutMs } = this.#limits;
    this.#isDraining = true;
    this.admin?.drain();
    this.#deadlines[Symbol.dispose]();
    this.#metricsFile?.[Symbol.dispose]();
    this.reload[Symbol.dispose]();
    this.#log.info("draining", { drain_delay_ms: drainDelayMs, shutdown_timeout_ms: shutdownTimeoutMs });
    const cut = await Promise.race([this.#drain(drainDelayMs, shutdownTimeoutMs), secondStop]);
    await this.admin?.close();
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
