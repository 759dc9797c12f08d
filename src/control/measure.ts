/**
 * The running server's metrics, as text and as a file.
 *
 * @module
 */

import { renderMetrics } from "../observe/metrics.ts";
import type { SharedMemory } from "../observe/shared_memory.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Log } from "../observe/log.ts";
import type { GeoipFile } from "./geoip_file.ts";
import type { Supervisor } from "./supervisor.ts";

/** Between two writings of the file. */
const FILE_INTERVAL_MS = 15_000;

/** The parts of a server that are measured. */
export interface MeasuredServer {
  /** Counters and gauges. */
  readonly memory: SharedMemory;
  /** What all workers serve, which must be something, where it is counted, and how many workers were replaced. */
  readonly supervisor: Pick<Supervisor, "served" | "slots" | "restarts">;
  /** The GeoIP file. */
  readonly geoip: Pick<GeoipFile, "databaseAt">;
}

/** The metrics in Prometheus' text format. @param nowMs Unix ms */
export function metricsText({ memory, supervisor, geoip }: MeasuredServer, nowMs: number): string {
  const { slots, restarts: workerRestarts } = supervisor;
  const { configuration, revision, generation, certificates, options } = supervisor.served!;
  // What is served has its slot.
  const listeners = configuration.listeners.map(({ id, address }) => ({
    name: formatEndpoint(address),
    slot: slots.listener(id)!,
  }));
  const routes = configuration.listeners.flatMap((listener) =>
    listener.routes.filter(({ mode }) => mode === "l7").map(({ id, hostname }) => {
      const endMs = certificates.routes.get(id)?.shown?.validity.notAfterMs;
      return {
        name: `${formatEndpoint(listener.address)} ${hostname}`,
        slot: slots.route(id)!,
        ...(endMs !== undefined && { certificateEndMs: endMs }),
      };
    })
  );
  return renderMetrics(memory, {
    listeners,
    routes,
    revision,
    generation,
    workerRestarts,
    geoipBuiltMs: geoip.databaseAt(options.geoip)?.builtAtMs,
    nowMs,
  });
}

/**
 * Writes the metrics to a file again and again, whole each time: a reader never sees half of it. Its mode is 0644,
 * whatever the umask; who gets there is its folder's affair.
 */
export class MetricsFile implements Disposable {
  readonly #path: string;
  readonly #server: MeasuredServer;
  readonly #log: Log;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isDisposed = false;
  #hasFailed = false;
  #writing: Promise<void> = Promise.resolve();

  /** Writes at once, and then every 15 s until disposal. */
  constructor(path: string, server: MeasuredServer, log: Log) {
    this.#path = path;
    this.#server = server;
    this.#log = log;
    void this.#repeat();
  }

  async #repeat(): Promise<void> {
    await this.write();
    if (!this.#isDisposed) this.#timer = setTimeout(() => void this.#repeat(), FILE_INTERVAL_MS);
  }

  /** Writes, after what is being written. Never throws: a failure is logged, once until it works again. */
  write(): Promise<void> {
    return this.#writing = this.#writing.then(() => this.#replace());
  }

  async #replace(): Promise<void> {
    const draft = `${this.#path}.new`;
    try {
      await Deno.writeTextFile(draft, metricsText(this.#server, Date.now()));
      // Its reader is another user, whom a service's umask would keep out.
      await Deno.chmod(draft, 0o644);
      await Deno.rename(draft, this.#path);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#log.warning("metrics_file_failed", { detail: String(error) });
      this.#hasFailed = true;
    }
  }

  /** Writes no more. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }
}
