/**
 * Keeps the workers alive and on one state: starts them, replaces those that die or hang, carries every change to
 * all of them or to none.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import type { ConnectionEvent } from "../observe/events.ts";
import type { Log } from "../observe/log.ts";
import type { SharedMemory } from "../observe/shared_memory.ts";
import type { FromWorker, MemoryFile, StateOptions, ToWorker } from "../proxy/messages.ts";
import { diffConfiguration, EMPTY_CONFIGURATION } from "../state/diff.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration } from "../state/model.ts";
import { BUILD, type ProgramCommand } from "./program.ts";
import { RestartDelay } from "./restart_delay.ts";
import { Slots } from "./slots.ts";
import { WorkerProcess } from "./worker_process.ts";

/** Between two looks at the heartbeats. */
const LOOK_MS = 1_000;
/** Looks without a beat after which a worker counts as hung. */
const LOOKS_WITHOUT_BEAT = 5;
/** From the start of a process to its first state, and from a preparation to its answer. */
const ANSWER_MS = 30_000;
/** Between two tries to take a dead worker's column off. */
const SETTLE_RETRY_MS = 10;

/** A state as all workers are to serve it. */
export interface ServedState {
  readonly configuration: Configuration;
  readonly revision: number;
  readonly generation: number;
  readonly options: StateOptions;
}

/** What a supervisor works with. */
export interface SupervisorOptions {
  readonly workers: number;
  /** Connections that one worker's descriptors allow it. */
  readonly connectionsMaxPerWorker: number;
  readonly memory: SharedMemory;
  readonly sharedMemory: MemoryFile;
  readonly geoip: MemoryFile;
  readonly log: Log;
  /** Starts a worker process. */
  readonly command: ProgramCommand;
  readonly onEvents: (events: readonly ConnectionEvent[]) => void;
}

/** One worker's place: its process now, and what is known about it. */
interface Seat {
  readonly column: number;
  readonly delay: RestartDelay;
  worker: WorkerProcess | undefined;
  heartbeat: number;
  looksWithoutBeat: number;
  /** Waits for the answer to what was sent last. */
  waiter: PromiseWithResolvers<FromWorker> | undefined;
}

/** The workers. */
export class Supervisor {
  /** Slots of listeners and routes in the shared memory. */
  readonly slots = new Slots();
  /** How often a worker was replaced. */
  restarts = 0;
  readonly #options: SupervisorOptions;
  readonly #seats: readonly Seat[];
  #served: ServedState | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #isStopping = false;
  #onAllGone: (() => void) | undefined;
  #starts = 0;
  #cut = 0;

  /** Nothing is started yet. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#seats = Array.from({ length: options.workers }, (_, column) => ({
      column,
      delay: new RestartDelay(),
      worker: undefined,
      heartbeat: 0,
      looksWithoutBeat: 0,
      waiter: undefined,
    }));
  }

  /** What all workers serve. */
  get served(): ServedState | undefined {
    return this.#served;
  }

  /** Process ids of the workers that run. */
  get pids(): number[] {
    return this.#running().map((worker) => worker.pid);
  }

  /**
   * Starts all workers on a first state.
   *
   * @param commit run when every worker has bound its listeners and none accepts yet; what it throws ends the start
   * @throws ProxyError unavailable when a worker can't serve the state; then none runs
   */
  async start(state: ServedState, commit: () => void): Promise<void> {
    this.slots.assign(state.configuration);
    this.#served = state;
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    try {
      await Promise.all(this.#seats.map((seat) => this.#bringUp(seat, state)));
      commit();
      await Promise.all(this.#seats.map((seat) => this.#activate(seat, state)));
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /**
   * Brings all workers to the next state, or none.
   *
   * @param commit made durable between the moment when every worker has prepared and the first activation; what it
   * throws aborts the change
   * @throws ProxyError unavailable when a worker can't prepare
   */
  async change(next: ServedState, commit: () => void): Promise<void> {
    const before = this.#served;
    if (before === undefined || this.#isStopping) {
      throw new ProxyError("unavailable", "the proxy is stopping");
    }
    this.slots.assign(next.configuration);
    const changes = diffConfiguration(before.configuration, next.configuration);
    const seats = this.#seats.filter((seat) => seat.worker?.isServing === true);
    try {
      await Promise.all(seats.map((seat) => this.#prepare(seat, next, changes)));
      commit();
    } catch (error) {
      for (const seat of seats) seat.worker?.send({ type: "abort" });
      throw error;
    }
    this.#served = next;
    // A worker that dies from here on is replaced by one that starts with the next state.
    await Promise.allSettled(seats.map((seat) => this.#activate(seat, next)));
  }

  /** Sends a message to one worker; false when there is none at that place. */
  send(column: number, message: ToWorker): boolean {
    const worker = this.#seats[column]?.worker;
    worker?.send(message);
    return worker !== undefined;
  }

  /** Drains all workers. @returns how many connections were cut when all have gone */
  async drain(shutdownTimeoutMs: number): Promise<number> {
    this.#isStopping = true;
    for (const worker of this.#running()) {
      worker.isLeaving = true;
      worker.send({ type: "drain", shutdownTimeoutMs });
    }
    await this.#allGone();
    return this.#cut;
  }

  /** Ends all workers now. */
  async kill(): Promise<void> {
    this.#isStopping = true;
    for (const worker of this.#running()) {
      worker.isLeaving = true;
      worker.kill();
    }
    await this.#allGone();
  }

  async #allGone(): Promise<void> {
    if (this.#running().length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onAllGone = resolve;
      await promise;
    }
    clearInterval(this.#watch);
    for (const seat of this.#seats) seat.delay[Symbol.dispose]();
  }

  #running(): WorkerProcess[] {
    return this.#seats.flatMap((seat) => seat.worker ?? []);
  }

  /** Starts a worker at a seat and lets it prepare a state. */
  async #bringUp(seat: Seat, state: ServedState): Promise<void> {
    const { memory, sharedMemory, geoip, command, connectionsMaxPerWorker } = this.#options;
    seat.heartbeat = memory.columns[seat.column]!.heartbeat;
    seat.looksWithoutBeat = 0;
    const worker = new WorkerProcess(command, seat.column, {
      message: (_, message) => this.#heard(seat, message),
      stderr: (_, line) =>
        this.#options.log.error("worker_stderr", { worker: seat.column, pid: worker.pid, line }),
      ended: (_, status) => this.#ended(seat, status),
    });
    seat.worker = worker;
    const ready = this.#answer(seat);
    worker.send({
      type: "start",
      build: BUILD,
      column: seat.column,
      idPrefix: `${Date.now().toString(36)}-${(this.#starts++).toString(36)}-`,
      connectionsMax: connectionsMaxPerWorker,
      sharedMemory,
      geoip,
    });
    const answer = await ready;
    if (answer.type !== "ready" || answer.build !== BUILD) {
      throw new ProxyError("unavailable", `worker ${seat.column} is of another build`);
    }
    await this.#prepare(seat, state, diffConfiguration(EMPTY_CONFIGURATION, state.configuration));
  }

  async #prepare(
    seat: Seat,
    state: ServedState,
    changes: ReturnType<typeof diffConfiguration>,
  ): Promise<void> {
    const { revision, generation, options } = state;
    const answered = this.#answer(seat);
    seat.worker?.prepare({
      revision,
      generation,
      changes,
      listenerSlots: this.slots.listeners(),
      routeSlots: this.slots.routes(),
      options,
    });
    const answer = await answered;
    if (answer.type === "refused") {
      throw new ProxyError("unavailable", `worker ${seat.column}: ${answer.reason}`);
    }
  }

  async #activate(seat: Seat, { revision, generation }: ServedState): Promise<void> {
    const answered = this.#answer(seat);
    seat.worker?.send({ type: "activate", revision, generation });
    await answered;
    if (seat.worker !== undefined) seat.worker.isServing = true;
  }

  /** The next answer of the worker at a seat; one that doesn't come is a hung worker. */
  async #answer(seat: Seat): Promise<FromWorker> {
    const waiter = Promise.withResolvers<FromWorker>();
    seat.waiter = waiter;
    const timer = setTimeout(() => seat.worker?.kill(), ANSWER_MS);
    try {
      return await waiter.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #heard(seat: Seat, message: FromWorker): void {
    switch (message.type) {
      case "events":
        this.#options.onEvents(message.events);
        seat.worker?.send({ type: "credit", batches: 1 });
        return;
      case "log":
        this.#options.log[message.level](message.event, { worker: seat.column, detail: message.detail });
        return;
      case "drained":
        this.#cut += message.cut;
        return;
      default:
        seat.waiter?.resolve(message);
    }
  }

  #ended(seat: Seat, status: Deno.CommandStatus): void {
    const worker = seat.worker!;
    seat.worker = undefined;
    seat.waiter?.reject(
      new ProxyError("unavailable", `worker ${seat.column} ended with code ${status.code}`),
    );
    seat.waiter = undefined;
    if (!worker.isLeaving) {
      const { code, signal } = status;
      this.#options.log.error("worker_lost", { worker: seat.column, pid: worker.pid, code, signal });
    }
    this.#retire(seat);
    if (this.#isStopping && this.#running().length === 0) this.#onAllGone?.();
  }

  /** Takes the dead worker's column off, again until it works, then fills the seat anew. */
  #retire(seat: Seat): void {
    const lost = this.#options.memory.retire(seat.column);
    if (lost === undefined) {
      setTimeout(() => this.#retire(seat), SETTLE_RETRY_MS);
      return;
    }
    for (const listener of this.#served?.configuration.listeners ?? []) {
      const connections = lost.get(this.slots.listener(listener.id) ?? -1);
      if (connections === undefined) continue;
      const fields = { worker: seat.column, listener: formatEndpoint(listener.address), connections };
      this.#options.log.error("connections_lost", { ...fields, reason: "worker_lost" });
    }
    if (this.#isStopping) return;
    this.restarts++;
    seat.delay.next(() => this.#replace(seat));
  }

  async #replace(seat: Seat): Promise<void> {
    if (this.#isStopping) return;
    try {
      const state = this.#served!;
      await this.#bringUp(seat, state);
      await this.#activate(seat, state);
      // The others may have moved on meanwhile, and this one was not asked: it starts again.
      if (this.#served !== state) seat.worker?.kill();
      else this.#options.log.info("worker_replaced", { worker: seat.column, pid: seat.worker?.pid });
    } catch (error) {
      // The worker that failed has ended or is ended here: its end brings the next try.
      this.#options.log.error("worker_failed", { worker: seat.column, detail: String(error) });
      seat.worker?.kill();
    }
  }

  /** Looks at the heartbeats. Late looks count once each, so time in which main itself was held up doesn't count. */
  #look(): void {
    for (const seat of this.#seats) {
      if (seat.worker === undefined) continue;
      const { heartbeat } = this.#options.memory.columns[seat.column]!;
      seat.looksWithoutBeat = heartbeat === seat.heartbeat ? seat.looksWithoutBeat + 1 : 0;
      seat.heartbeat = heartbeat;
      if (seat.looksWithoutBeat < LOOKS_WITHOUT_BEAT) continue;
      this.#options.log.error("worker_hung", { worker: seat.column, pid: seat.worker.pid });
      seat.looksWithoutBeat = 0;
      seat.worker.kill();
    }
  }
}
