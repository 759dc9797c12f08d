/**
 * One worker's place: the process that fills it now, and the conversation with it.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import type { FromWorker, SlotOwners, StartMessage } from "../proxy/messages.ts";
import type { Preparation } from "../proxy/preparation.ts";
import type { ProgramCommand } from "./program.ts";
import { RestartDelay } from "./restart_delay.ts";
import { type ServedNumbers, type WorkerHandler, WorkerProcess } from "./worker_process.ts";

/** Looks without a beat after which a worker counts as hung. */
const LOOKS_WITHOUT_BEAT = 5;
/** From a question to its answer: a worker that takes longer is hung. */
const ANSWER_MS = 30_000;

const NOBODY: SlotOwners = { listenerIds: [], routeIds: [] };

/** A place for a worker. Its processes come and go; the column of the shared memory stays. */
export class WorkerSeat {
  /** Its number in log and shared memory, from 0; the same for every process that sits here. */
  readonly column: number;
  /** How long the place stays empty after a death. */
  readonly delay = new RestartDelay();
  /** Who sits here; absent between a death and the next start. */
  worker: WorkerProcess | undefined;
  /** How many processes have sat here. */
  processes = 0;
  #heartbeat = 0;
  #looksWithoutBeat = 0;
  /** A worker answers each question once, in their order. */
  #waiters: PromiseWithResolvers<FromWorker>[] = [];

  /** An empty place. @param column of the shared memory, which nobody else uses */
  constructor(column: number) {
    this.column = column;
  }

  /**
   * Starts a process.
   *
   * @throws ProxyError unavailable when it ends before it is ready, or is of another build; an error of the runtime's
   * when there is none: no descriptors, no memory, or the program's file was replaced
   */
  async start(command: ProgramCommand, message: StartMessage, handler: WorkerHandler): Promise<void> {
    this.#looksWithoutBeat = 0;
    this.worker = new WorkerProcess(command, this.column, handler);
    this.processes++;
    const answer = await this.#ask(() => this.worker?.send(message));
    if (answer.type === "ready" && answer.build === message.build) return;
    throw new ProxyError("unavailable", `worker ${this.column} is of another build`);
  }

  /** Lets the worker prepare a state. @throws ProxyError unavailable when it can't */
  async prepare(preparation: Preparation): Promise<void> {
    const answer = await this.#ask(() => this.worker?.prepare(preparation));
    if (answer.type === "prepared") return;
    const reason = answer.type === "refused" ? answer.reason : "a wrong answer";
    throw new ProxyError("unavailable", `worker ${this.column}: ${reason}`);
  }

  /** Lets the worker serve what it has prepared. */
  async activate({ revision, generation }: ServedNumbers): Promise<void> {
    if (this.worker !== undefined) this.worker.hasJoined = true;
    const answer = await this.#ask(() => this.worker?.send({ type: "activate", revision, generation }));
    if (this.worker === undefined || answer.type !== "activated") return;
    this.worker.serves = { revision: answer.revision, generation: answer.generation };
  }

  /**
   * Lets the worker forget listeners and routes that are gone.
   *
   * @returns those that it doesn't use any more
   * @throws ProxyError unavailable when it ends
   */
  async forget(
    asked: SlotOwners,
  ): Promise<{ readonly listenerIds: ReadonlySet<number>; readonly routeIds: ReadonlySet<number> }> {
    const answer = await this.#ask(() => this.worker?.send({ type: "forget", ...asked }));
    const { listenerIds, routeIds } = answer.type === "forgotten" ? answer : NOBODY;
    return { listenerIds: new Set(listenerIds), routeIds: new Set(routeIds) };
  }

  /** Asks, and waits for the answer; a worker that gives none is killed, which ends the wait. */
  async #ask(question: () => void): Promise<FromWorker> {
    if (this.worker === undefined) throw new ProxyError("unavailable", `worker ${this.column} has ended`);
    const waiter = Promise.withResolvers<FromWorker>();
    this.#waiters.push(waiter);
    const timer = setTimeout(() => this.worker?.kill(), ANSWER_MS);
    try {
      question();
      return await waiter.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Hands an answer to whoever asked first of those that wait. */
  answered(message: FromWorker): void {
    this.#waiters.shift()?.resolve(message);
  }

  /** Notes that the process has ended. */
  vacate(code: number): void {
    this.worker = undefined;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      waiter.reject(new ProxyError("unavailable", `worker ${this.column} ended with code ${code}`));
    }
  }

  /**
   * Looks at the worker's heartbeat. Looks count, not time, so that time in which main itself was held up doesn't.
   *
   * @returns whether the worker hangs
   */
  look(heartbeat: number): boolean {
    this.#looksWithoutBeat = heartbeat === this.#heartbeat ? this.#looksWithoutBeat + 1 : 0;
    this.#heartbeat = heartbeat;
    return this.#looksWithoutBeat >= LOOKS_WITHOUT_BEAT;
  }
}
