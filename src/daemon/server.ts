/**
 * A server from its start to its end: brings its parts to work in order, and takes them down in reverse.
 *
 * @module
 */

import type { Admin } from "../admin/admin.ts";
import { adminDescriptors } from "../admin/call_limits.ts";
import { requireCountries } from "../control/country_rules.ts";
import { shortForMain, shortOfDescriptors } from "../control/effective_limits.ts";
import { Handover } from "../control/handover.ts";
import { MetricsFile } from "../control/measure.ts";
import { takeBackOverdue } from "../control/overdue.ts";
import type { ServedState } from "../control/served_state.ts";
import type { Supervisor } from "../control/supervisor.ts";
import type { ServiceManager } from "../control/service_manager.ts";
import { probeListeners } from "../net/probe.ts";
import { COUNTER } from "../observe/counters.ts";
import { BEAT_MS, LoopLag } from "../observe/loop_lag.ts";
import { GAUGE_ALL } from "../observe/memory_layout.ts";
import { diffConfiguration } from "../state/diff.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration } from "../state/model.ts";
import { configurationOfSeed, seedDiffers } from "../store/seed.ts";
import type { Parts } from "./parts.ts";

/** Beyond the drain itself, what an end may take. */
const END_MS = 10_000;

/** What a server is told about the process whose place it takes, if it takes one. */
export interface Place {
  /** Another process listens on the same ports until it is relieved. */
  readonly isShared: boolean;
  /** The service manager's watchdog, in ms; absent = there is none. */
  readonly watchdogMs: number | undefined;
  /** Called at each step of a hand-over, before anything follows it. */
  readonly atStep: (step: string) => Promise<void>;
}

/** How a server ends. */
export interface End {
  /** Ends it at once. */
  readonly secondStop: Promise<void>;
  /** The process that serves in its place; absent = nobody does. */
  readonly successor?: number | undefined;
}

/** A server. */
export class Server {
  /** The giving side of a hand-over. */
  readonly handover: Handover;
  readonly #parts: Parts;
  readonly #place: Place;
  #admin: Admin | undefined;
  #metricsFile: MetricsFile | undefined;
  #beating: ReturnType<typeof setInterval> | undefined;
  #isDraining = false;
  #isTakingOver: boolean;

  /** Nothing is started yet. */
  constructor(parts: Parts, place: Place) {
    this.#parts = parts;
    this.#place = place;
    this.#isTakingOver = place.isShared;
    this.handover = new Handover({
      store: parts.store,
      turns: parts.turns,
      log: parts.log,
      refusal: () =>
        this.#isDraining ? "it is about to stop" : this.#isTakingOver ? "it takes over itself" : undefined,
      pause: () => {
        parts.deadlines.pause();
        this.#metricsFile?.[Symbol.dispose]();
      },
      resume: () => this.#resume(),
      atStep: place.atStep,
    });
  }

  /** Serves, or throws and leaves nothing behind. */
  async start(): Promise<void> {
    const { store, log, memory, supervisor, reload } = this.#parts;
    const state = await this.#firstState();
    await supervisor.start(state, () => {
      if (store.isNew) store.seed(state.configuration, Date.now());
    });
    reload.watch();
    await this.#place.atStep("listening");
    await this.#startAdmin();
    await this.#place.atStep("administering");
    const lag = new LoopLag(memory.main, performance.now());
    this.#beating = setInterval(() => lag.beat(performance.now()), BEAT_MS);
    this.#writeMetrics();
    log.info("ready", {
      revision: state.revision,
      pid: Deno.pid,
      listeners: state.configuration.listeners.map(({ id, address }) => ({
        id,
        addr: formatEndpoint(address),
      })),
    });
  }

  /** The workers. */
  get supervisor(): Supervisor {
    return this.#parts.supervisor;
  }

  /** Nobody else serves any more: from now on the configuration can change. */
  own(): void {
    this.#isTakingOver = false;
    this.#parts.deadlines.look();
  }

  async #firstState(): Promise<ServedState> {
    const { store, log, config, limits, reload, geoip: { isConfigured } } = this.#parts;
    const { settings, warnings } = config;
    const revision = takeBackOverdue(store, Date.now());
    if (revision !== undefined) log.warning("config_changed", { kind: "revert", revision, author: "system" });
    const shortages = [shortOfDescriptors(limits), shortForMain(limits, adminDescriptors(settings.grpc))];
    for (const detail of [...warnings, ...shortages]) if (detail) log.warning("config_warning", { detail });
    const configuration = this.#configuration();
    requireCountries(configuration, isConfigured, store.path);
    const { geoip, certificates } = await reload.load(configuration);
    // Beside another process of ours no port is free.
    if (!this.#place.isShared) probeListeners(configuration.listeners.map((listener) => listener.address));
    return {
      configuration,
      revision: store.isNew ? 1 : store.revision,
      generation: 0,
      certificates,
      options: {
        limits,
        blockUnknownCountry: settings.blockUnknownCountry,
        limitMode: settings.limitMode,
        tellsRequests: settings.logLevel === "debug" ||
          (settings.logRequests && settings.logLevel === "info"),
        ...(geoip !== undefined && { geoip }),
      },
    };
  }

  #configuration(): Configuration {
    const { store, log, config: { seed } } = this.#parts;
    if (store.isNew) return configurationOfSeed(seed);
    const configuration = store.readConfiguration();
    if (seedDiffers(seed, configuration)) {
      const detail = "the file's listeners and firewall rules differ from the database, which rules";
      log.info("seed_ignored", { detail, database: store.path });
    }
    return configuration;
  }

  #writeMetrics(): void {
    const { config: { settings }, log } = this.#parts;
    if (settings.metricsTextfile === "") return;
    this.#metricsFile?.[Symbol.dispose]();
    this.#metricsFile = new MetricsFile(settings.metricsTextfile, this.#parts, log);
  }

  /** Its code takes a quarter of a second to load: listeners stand before. */
  async #startAdmin(): Promise<void> {
    const { config, options, log, supervisor } = this.#parts;
    const { grpc } = config.settings;
    if (grpc === undefined) return;
    try {
      const { Admin } = await import("../admin/admin.ts");
      const parts = {
        ...this.#parts,
        configPath: options.configPath,
        handover: this.handover,
        isDraining: () => this.#isDraining,
        isTakingOver: () => this.#isTakingOver,
        watchdogMs: this.#place.watchdogMs,
      };
      this.#admin = await Admin.start(grpc, parts, log);
    } catch (error) {
      await supervisor.kill();
      throw error;
    }
  }

  /** Reads all files again. Never throws: the log says what failed. */
  async reloadFiles(): Promise<void> {
    await (this.#admin ?? this.#parts.reload).reload();
  }

  /** After a hand-over that failed: another process may have written a revision. */
  async #resume(): Promise<void> {
    const { store, supervisor, reload, deadlines, log } = this.#parts;
    this.#writeMetrics();
    const served = supervisor.served!;
    const revision = store.revision;
    if (revision !== served.revision) {
      const configuration = store.readConfiguration();
      const changes = diffConfiguration(served.configuration, configuration);
      await supervisor.change(
        await reload.withFiles({ ...served, configuration, revision }, changes),
        () => {},
      );
      log.info("config_changed", { kind: "handover", revision, author: "system" });
    }
    deadlines.resume();
  }

  /** One sentence about how it is, for the service manager. */
  status(): string {
    const { supervisor, memory } = this.#parts;
    const { workers, served } = supervisor;
    const serving = workers.filter(({ serves }) => serves !== undefined).length;
    const open = memory.total(GAUGE_ALL);
    return `${this.#isDraining ? "draining, " : ""}revision ${served?.revision ?? 0}, ` +
      `${serving} of ${workers.length} workers, ${open} open connections`;
  }

  /** Ends at once: another process serves on. */
  async abandon(): Promise<void> {
    this.handover.stop();
    clearInterval(this.#beating);
    this.#parts.reload[Symbol.dispose]();
    this.#parts.deadlines[Symbol.dispose]();
    this.#metricsFile?.[Symbol.dispose]();
    await Promise.all([this.#parts.supervisor.kill(), this.#admin?.close()]);
  }

  /** Drains and ends. @returns the exit code: 0, or 1 after a second signal */
  async stop({ secondStop, successor }: End, manager: ServiceManager): Promise<number> {
    const { limits, log, supervisor, memory, deadlines, reload } = this.#parts;
    const drainDelayMs = successor === undefined ? limits.drainDelayMs : 0;
    this.#isDraining = true;
    this.handover.stop();
    clearInterval(this.#beating);
    manager.stopping(drainDelayMs + limits.shutdownTimeoutMs + END_MS);
    this.#admin?.drain();
    deadlines[Symbol.dispose]();
    this.#metricsFile?.[Symbol.dispose]();
    reload[Symbol.dispose]();
    if (successor === undefined) {
      const { shutdownTimeoutMs } = limits;
      log.info("draining", { drain_delay_ms: drainDelayMs, shutdown_timeout_ms: shutdownTimeoutMs });
    }
    const isHandedOver = successor !== undefined;
    const cut = await Promise.race([this.#drain(drainDelayMs, isHandedOver), secondStop]);
    await this.#admin?.close();
    if (cut === undefined) {
      await supervisor.kill();
      log.warning("stopped", { detail: "a second signal ended the drain" });
      return 1;
    }
    // The log may be the successor's, too: `stopped` would be read as its end.
    log.info(isHandedOver ? "handed_over" : "stopped", {
      ...(isHandedOver && { successor }),
      cut,
      worker_restarts: supervisor.restarts,
      events_dropped: memory.counted(COUNTER.eventsDropped),
    });
    return 0;
  }

  async #drain(drainDelayMs: number, emptiesQueues: boolean): Promise<number> {
    if (drainDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, drainDelayMs));
    return await this.#parts.supervisor.drain(this.#parts.limits.shutdownTimeoutMs, emptiesQueues);
  }
}
