/**
 * Keeps the workers alive and on one state: starts them, replaces those that die or hang, carries every change to
 * all of them or to none.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import type { ConnectionEvent, RequestEvent } from "../observe/events.ts";
import { inSlices, SLICE_MS } from "../net/in_slices.ts";
import type { Log } from "../observe/log.ts";
import type { SharedMemory } from "../observe/shared_memory.ts";
import type { FromWorker, MemoryFile, StartMessage, ToWorker } from "../proxy/messages.ts";
import { diffConfiguration, diffSlices, EMPTY_CONFIGURATION } from "../state/diff.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration } from "../state/model.ts";
import { JointPreparation } from "./joint_preparation.ts";
import { BUILD, type ProgramCommand } from "./program.ts";
import { preparationOf, type ServedState } from "./served_state.ts";
import { WorkerQueries } from "./worker_queries.ts";
import { reclaimSlots } from "./slot_reclaim.ts";
import { Slots } from "./slots.ts";
import type { ServedNumbers, WorkerProcess } from "./worker_process.ts";
import { WorkerSeat } from "./worker_seat.ts";

/** Between two looks at the heartbeats: five of them and a start take less than the 6 s of a hung worker's absence. */
const LOOK_MS = 900;
/** Between two tries to take a dead worker's column off. */
const SETTLE_RETRY_MS = 10;

/** What a supervisor works with. */
export interface SupervisorOptions {
  /** Seats to fill and columns in use, at least 1. */
  readonly workers: number;
  /** Connections that one worker's descriptors allow it. */
  readonly connectionsMaxPerWorker: number;
  /** Main's view of `sharedMemory`, already laid out for that many workers. */
  readonly memory: SharedMemory;
  /** What each worker maps for gauges, counters and heartbeats; stays open for the process's life. */
  readonly sharedMemory: MemoryFile;
  /** What each worker maps for country lookups; used where a state names a slot of it. */
  readonly geoip: MemoryFile;
  /** Gets every death, loss and replacement, and what workers say of themselves. */
  readonly log: Log;
  /** Starts a worker process. */
  readonly command: ProgramCommand;
  /** Takes events; a batch is credited when this returns. */
  readonly onEvents: (events: readonly (ConnectionEvent | RequestEvent)[]) => void;
}

/** The workers. */
export class Supervisor {
  /** How often a worker was replaced. */
  restarts = 0;
  readonly #options: SupervisorOptions;
  /** Questions to all workers about their connections. */
  readonly queries = new WorkerQueries({
    send: (column, message) => this.send(column, message),
    columns: () => this.#seats.filter((seat) => seat.worker?.isServing === true).map(({ column }) => column),
  });
  readonly #slots = new Slots();
  readonly #seats: readonly WorkerSeat[];
  #served: ServedState | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #isStopping = false;
  #onAllGone: (() => void) | undefined;
  #starts = 0;
  #cut = 0;

  /** Nothing is started yet. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#seats = Array.from({ length: options.workers }, (_, column) => new WorkerSeat(column));
  }

  /** What all workers serve. */
  get served(): ServedState | undefined {
    return this.#served;
  }

  /**
   * Starts all workers on a first state.
   *
   * @param commit run when every worker has bound its listeners and none accepts yet; what it throws ends the start
   * @throws ProxyError unavailable when a worker can't serve the state; then none runs
   */
  async start(state: ServedState, commit: () => void): Promise<void> {
    this.#slots.assign(state.configuration);
    this.#served = state;
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    try {
      await Promise.all(this.#seats.map((seat) => this.#bringUp(seat, state)));
      commit();
      await Promise.all(this.#seats.map((seat) => seat.activate(state)));
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /**
   * Brings all workers to the next state, or none. One change at a time: the caller sees to it.
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
    await this.#giveSlots(before.configuration, next.configuration);
    const changes = await inSlices(diffSlices(before.configuration, next.configuration), SLICE_MS);
    const joint = new JointPreparation(this.#seats);
    await joint.prepare(preparationOf(next, changes, this.#slots, before.certificates), () => {
      commit();
      this.#served = next;
    });
    await joint.activate(next);
  }

  /** Gives everything that is new a slot, one of those who are gone where no fresh one is left. */
  async #giveSlots(before: Configuration, next: Configuration): Promise<void> {
    const slots = this.#slots;
    if (!slots.hasRoomFor(next)) {
      const reclaim = { seats: this.#seats, memory: this.#options.memory, slots };
      await reclaimSlots(reclaim, slots.idle(before, next));
    }
    slots.assign(next);
  }

  /** Where the gauges and counters of listeners and routes stand. */
  get slots(): Pick<Slots, "listener" | "route"> {
    return this.#slots;
  }

  /** Every worker's place, taken or not. */
  get workers(): readonly {
    readonly column: number;
    readonly pid: number | undefined;
    readonly serves: ServedNumbers | undefined;
  }[] {
    return this.#seats.map(({ column, worker }) => ({
      column,
      pid: worker?.pid,
      serves: worker?.serves,
    }));
  }

  /** Sends a message to one worker, if there is one at that place. */
  send(column: number, message: ToWorker): void {
    this.#seats[column]?.worker?.send(message);
  }

  /**
   * Drains all workers.
   *
   * @param emptiesQueues whether they first accept what waits, because another process listens on the same ports
   * @returns how many connections were cut, when all have gone
   */
  async drain(shutdownTimeoutMs: number, emptiesQueues = false): Promise<number> {
    this.#isStopping = true;
    for (const worker of this.#running()) {
      worker.isLeaving = true;
      worker.send({ type: "drain", shutdownTimeoutMs, emptiesQueues });
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
  async #bringUp(seat: WorkerSeat, state: ServedState): Promise<void> {
    await seat.start(this.#options.command, this.#startMessage(seat.column), {
      message: (message) => this.#heard(seat, message),
      stderr: (line, { pid }) => this.#options.log.error("worker_stderr", { worker: seat.column, pid, line }),
      ended: (status, worker) => this.#ended(seat, worker, status),
    });
    await this.#prepareFirst(seat, state);
  }

  /** Lets a worker that serves nothing prepare a state, again when it has prepared another one already. */
  async #prepareFirst(seat: WorkerSeat, state: ServedState): Promise<void> {
    const changes = diffConfiguration(EMPTY_CONFIGURATION, state.configuration);
    await seat.prepare(preparationOf(state, changes, this.#slots));
  }

  #startMessage(column: number): StartMessage {
    const { sharedMemory, geoip, connectionsMaxPerWorker } = this.#options;
    return {
      type: "start",
      build: BUILD,
      column,
      idPrefix: `${Date.now().toString(36)}-${(this.#starts++).toString(36)}-`,
      connectionsMax: connectionsMaxPerWorker,
      sharedMemory,
      geoip,
    };
  }

  #heard(seat: WorkerSeat, message: FromWorker): void {
    switch (message.type) {
      case "events":
        this.#options.onEvents(message.events);
        seat.worker?.send({ type: "credit", batches: 1 });
        return;
      case "log":
        this.#options.log[message.level](message.event, { worker: seat.column, detail: message.detail });
        return;
      case "listed":
      case "closed":
        return this.queries.answered(seat.column, message);
      case "drained":
        this.#cut += message.cut;
        return;
      default:
        seat.answered(message);
    }
  }

  #ended(seat: WorkerSeat, { pid, isLeaving }: WorkerProcess, { code, signal }: Deno.CommandStatus): void {
    seat.vacate(code);
    this.queries.lost(seat.column);
    if (!isLeaving) this.#options.log.error("worker_lost", { worker: seat.column, pid, code, signal });
    this.#retire(seat);
    if (this.#isStopping && this.#running().length === 0) this.#onAllGone?.();
  }

  /** Takes the dead worker's column off, again until it works, then fills the seat anew. */
  #retire(seat: WorkerSeat): void {
    const lost = this.#options.memory.retire(seat.column);
    if (lost === undefined) {
      setTimeout(() => this.#retire(seat), SETTLE_RETRY_MS);
      return;
    }
    for (const { id, address } of this.#served?.configuration.listeners ?? []) {
      const connections = lost.get(this.#slots.listener(id) ?? -1);
      if (connections === undefined) continue;
      const fields = { worker: seat.column, listener: formatEndpoint(address), connections };
      this.#options.log.error("connections_lost", { ...fields, reason: "worker_lost" });
    }
    if (this.#isStopping) return;
    this.restarts++;
    seat.delay.next(() => void this.#replace(seat));
  }

  async #replace(seat: WorkerSeat): Promise<void> {
    let state = this.#served;
    if (this.#isStopping || state === undefined) return;
    const { processes } = seat;
    try {
      await this.#bringUp(seat, state);
      // The others may have moved on meanwhile, and this one was not asked. Nothing may come between look and activation.
      while (state !== this.#served) await this.#prepareFirst(seat, state = this.#served!);
      await seat.activate(state);
      this.#options.log.info("worker_replaced", { worker: seat.column, pid: seat.worker?.pid });
    } catch (error) {
      const detail = messageOf(error);
      this.#options.log.error("worker_failed", { worker: seat.column, detail });
      // The worker that failed has ended or is ended here, and its end brings the next try; if there was any worker.
      if (seat.processes === processes) seat.delay.next(() => void this.#replace(seat));
      else seat.worker?.kill();
    }
  }

  #look(): void {
    for (const seat of this.#seats) {
      const { worker, column } = seat;
      if (worker === undefined || !seat.look(this.#options.memory.columns[column]!.heartbeat)) continue;
      this.#options.log.error("worker_hung", { worker: column, pid: worker.pid });
      worker.kill();
    }
  }
}
