/**
 * A worker process: the part of mc-proxy that strangers talk to. It takes what it needs, gives up every
 * permission but net, and serves what the main process tells it.
 *
 * @module
 */

import type { SecureContext } from "node:tls";
import { messageOf, ProxyError } from "../errors.ts";
import type { BackendAuthorities } from "../net/certificates.ts";
import { HttpService } from "../l7/http_service.ts";
import { Deadlines } from "../net/deadlines.ts";
import { armAlarm, loadNative, mapMemoryFile, monotonicMs } from "../net/native.ts";
import { ignoreUserSignals } from "../net/user_signals.ts";
import { Resetter } from "../net/reset.ts";
import { type AcceptErrorCode, COUNTER } from "../observe/counters.ts";
import { Column } from "../observe/column.ts";
import { BEAT_MS, LoopLag } from "../observe/loop_lag.ts";
import { isLaidOut, rateTableOf } from "../observe/memory_layout.ts";
import type { RateTable } from "../observe/rate_table.ts";
import { judgeClient } from "../policy/firewall.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import type { LimitMode } from "../state/settings.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import { BlockSampler } from "./block_sampler.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { DataPlane } from "./data_plane.ts";
import { EventBatches } from "./event_batches.ts";
import { commitFault } from "./faults.ts";
import { LineWriter, readLines } from "./lines.ts";
import {
  type DrainMessage,
  type FromWorker,
  LINE_BYTES_MAX,
  type StartMessage,
  type ToWorker,
} from "./messages.ts";
import { closeConnections, listConnections } from "./query_answers.ts";
import { endStalled } from "./stall_watch.ts";
import { Registry } from "./registry.ts";
import { WorkerState } from "./worker_state.ts";

/** Without a beat for so long the kernel ends this process, also when main has gone. */
const ALARM_SECONDS = 10;
/** What may wait for main to read it. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** Everything that isn't `net`. */
const GIVEN_UP = ["ffi", "run", "read", "write", "env", "sys", "import"] as const;

/** How a worker is run. */
export interface WorkerOptions {
  /** This program's build, which main compares with its own. */
  readonly build: string;
  /** Obey `fault` messages. */
  readonly testingOnlyFaults: boolean;
}

/** Runs a worker until main closes its stdin or tells it to drain. @returns the exit code */
export async function runWorker(options: WorkerOptions): Promise<number> {
  const lines = readLines(Deno.stdin.readable, LINE_BYTES_MAX);
  const first = await lines.next();
  if (first.done === true) return 0;
  const start = JSON.parse(first.value) as StartMessage;
  loadNative();
  ignoreUserSignals();
  // The runtime makes the socket pair of its signals late, and dies when there is no descriptor left by then.
  Deno.addSignalListener("SIGWINCH", () => {});
  const memory = mapMemoryFile(start.sharedMemory.fd, start.sharedMemory.sizeBytes);
  const geoip = mapMemoryFile(start.geoip.fd, start.geoip.sizeBytes);
  if (!isLaidOut(memory)) {
    throw new ProxyError("internal", "the shared memory is of another build");
  }
  await giveUpPermissions();
  const worker = new Worker(start, memory, geoip, options);
  return await worker.run(lines);
}

async function giveUpPermissions(): Promise<void> {
  for (const name of GIVEN_UP) {
    const status = await Deno.permissions.revoke({ name });
    if (status.state === "granted") {
      throw new ProxyError("internal", `permission "${name}" can't be given up`);
    }
  }
}

class Worker implements DataPlane {
  readonly column: Column;
  readonly connectionsMax: number;
  readonly deadlines = new Deadlines();
  readonly connections = new Registry<ClientConnection>();
  readonly events: EventBatches;
  readonly resetter = new Resetter(() =>
    this.#log("warning", "reset_unavailable", "connections are closed instead")
  );
  readonly sampler = new BlockSampler();
  readonly http = new HttpService(this);
  readonly rates: RateTable;
  readonly #output = new LineWriter(Deno.stdout, OUTPUT_BYTES_MAX);
  readonly #state: WorkerState;
  readonly #start: StartMessage;
  readonly #options: WorkerOptions;
  #connectionNumber = 0;

  constructor(start: StartMessage, memory: ArrayBuffer, geoip: ArrayBuffer, options: WorkerOptions) {
    this.#start = start;
    this.#options = options;
    this.connectionsMax = start.connectionsMax;
    this.column = new Column(memory, start.column);
    this.#state = new WorkerState(geoip, () => this.column.count(COUNTER.geoipLookupErrors));
    this.rates = rateTableOf(memory, monotonicMs, () => this.column.count(COUNTER.rateTableEvictions));
    this.events = new EventBatches(
      this.#output,
      (dropped) => this.column.count(COUNTER.eventsDropped, dropped),
    );
  }

  get state(): RuntimeState {
    return this.#state.current;
  }

  get tellsRequests(): boolean {
    return this.#state.tellsRequests;
  }

  get limitMode(): LimitMode {
    return this.#state.limitMode;
  }

  nextConnectionId(): string {
    return `${this.#start.idPrefix}${(this.#connectionNumber++).toString(36)}`;
  }

  country(address: IpAddress): string | undefined {
    return this.#state.country(address);
  }

  routeSlot(routeId: number): number {
    return this.#state.routeSlot(routeId);
  }

  secureContext(routeId: number): SecureContext | undefined {
    return this.#state.certificates.secureContext(routeId);
  }

  backendAuthorities(routeId: number): BackendAuthorities | undefined {
    return this.#state.certificates.backendAuthorities(routeId);
  }

  isOwnListener({ localAddr, remoteAddr }: Deno.TcpConn): boolean {
    for (const { port, host } of this.#state.listeners) {
      if (port !== remoteAddr.port) continue;
      const isWildcard = host === "::" || host === "0.0.0.0";
      const isHere = localAddr.hostname === remoteAddr.hostname || remoteAddr.hostname.startsWith("127.");
      if (host === remoteAddr.hostname || (isWildcard && isHere)) return true;
    }
    return false;
  }

  reportAcceptError({ name }: { readonly name: string }, code: AcceptErrorCode): void {
    this.#log("warning", "accept_failed", `${name}: ${code}`);
  }

  reportDefect(error: unknown): void {
    this.#log("error", "defect", error instanceof Error ? error.stack ?? error.message : String(error));
  }

  /** Beats, and does what main says, until it is time to go. */
  async run(lines: AsyncIterable<string>): Promise<number> {
    const lag = new LoopLag(this.column, performance.now());
    this.#beat(lag);
    // Main gives up after five seconds without a beat.
    const beating = setInterval(() => this.#beat(lag), BEAT_MS);
    this.#say({ type: "ready", build: this.#options.build });
    let drain: DrainMessage | undefined;
    for await (const line of lines) {
      drain = await this.#obey(JSON.parse(line) as ToWorker);
      if (drain !== undefined) break;
    }
    if (drain?.emptiesQueues === true) await this.#emptyQueues();
    await this.#drain(drain?.shutdownTimeoutMs ?? this.state.limits.shutdownTimeoutMs);
    clearInterval(beating);
    return 0;
  }

  #beat(lag: LoopLag): void {
    this.column.beat();
    lag.beat(performance.now());
    armAlarm(ALARM_SECONDS);
    endStalled(this.connections, this.deadlines.coarseMs);
  }

  /** @returns the message itself when it is time to go */
  async #obey(message: ToWorker): Promise<DrainMessage | undefined> {
    switch (message.type) {
      case "prepare":
        await this.#prepare(message);
        return undefined;
      case "activate":
        for (const listener of this.#state.activate(message.revision, message.generation)) {
          void listener.accept(this);
        }
        // Whoever hears that a listener is gone may bind its address.
        await this.#state.closed;
        this.#say({ type: "activated", revision: message.revision, generation: message.generation });
        return undefined;
      case "abort":
        this.#state.abort();
        return undefined;
      case "credit":
        this.events.credit(message.batches);
        return undefined;
      case "forget":
        this.#say({ type: "forgotten", ...this.#state.forget(message, this.connections) });
        return undefined;
      case "fault":
        if (this.#options.testingOnlyFaults) this.#log("info", "fault", await commitFault(message.fault));
        return undefined;
      case "list":
        for (const part of listConnections(this.connections, message, this.#isBlocked)) {
          this.#say({ type: "listed", query: message.query, ...part });
        }
        return undefined;
      case "close": {
        const count = closeConnections(this.connections, message, this.#isBlocked);
        this.resetter.flush();
        this.#say({ type: "closed", query: message.query, count });
        return undefined;
      }
      case "drain":
        return message;
      case "start":
        throw new ProxyError("internal", "started twice");
    }
  }

  #isBlocked = (client: IpAddress): boolean => {
    const facts = { client, nowMs: Date.now(), country: (address: IpAddress) => this.country(address) };
    return judgeClient(facts, this.state.firewall).kind === "block";
  };

  async #prepare(message: Extract<ToWorker, { type: "prepare" }>): Promise<void> {
    const { revision, generation } = message;
    try {
      if (await this.#state.prepare(message)) this.#say({ type: "prepared", revision, generation });
    } catch (error) {
      this.#state.abort();
      const reason = messageOf(error);
      this.#say({ type: "refused", revision, generation, reason });
    }
  }

  /** A socket that closes resets whoever waits in its queue. */
  async #emptyQueues(): Promise<void> {
    await Promise.all(Array.from(this.#state.listeners, (listener) => listener.quiet()));
  }

  /** Stops accepting, waits, cuts the rest with RST, says how many that were. */
  async #drain(shutdownTimeoutMs: number): Promise<void> {
    this.#state.closeListeners();
    this.http.isDraining = true;
    for (const connection of this.connections) connection.termination?.drain("drained");
    const cut = await this.connections.whenEmpty(shutdownTimeoutMs);
    for (const connection of this.connections) connection.end("drained");
    this.resetter.flush();
    await this.connections.whenEmpty(BEAT_MS);
    this.http.close();
    this.deadlines[Symbol.dispose]();
    this.events.flush();
    for (const [reason, unlogged] of this.sampler.rest()) {
      this.#log("info", "unlogged", `${unlogged} ${reason}`);
    }
    this.#say({ type: "drained", cut });
    await this.#output.flush();
  }

  #say(message: FromWorker): void {
    this.#output.write(JSON.stringify(message));
  }

  #log(level: "error" | "warning" | "info", event: string, detail: string): void {
    this.#say({ type: "log", level, event, detail: detail.slice(0, 4_096) });
  }
}
