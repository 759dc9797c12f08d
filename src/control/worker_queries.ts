/**
 * Questions that every worker answers for its own connections.
 *
 * @module
 */

import type { ConnectionFilter, OpenConnection } from "../proxy/connection_query.ts";
import type { ToWorker } from "../proxy/messages.ts";
import type { ConnectionAnswer } from "../proxy/query_answers.ts";
import type { Reason } from "../reasons.ts";

/** A worker that has not answered by then is left out. */
const ANSWER_MS = 5_000;

/** How workers are reached. */
export interface WorkerQueriesOptions {
  /** Sends a message to one worker. */
  readonly send: (column: number, message: ToWorker) => void;
  /** The workers that serve now. */
  readonly columns: () => readonly number[];
}

/** A connection and who serves it. */
export interface WorkersConnection extends OpenConnection {
  /** Column of the worker. */
  readonly worker: number;
}

/** What all workers say of their connections. */
export interface ListedConnections {
  /** At most as many as were asked for. */
  readonly connections: readonly WorkersConnection[];
  /** How many match. */
  readonly total: number;
}

/** One question that is not answered yet. */
interface Query {
  /** Workers that owe an answer. */
  readonly waiting: Set<number>;
  /** Takes a part of an answer. @returns whether that worker has said all */
  readonly take: (column: number, answer: ConnectionAnswer) => boolean;
  readonly done: () => void;
}

/** Asks all workers and puts their answers together. */
export class WorkerQueries {
  readonly #options: WorkerQueriesOptions;
  readonly #open = new Map<number, Query>();
  #number = 0;

  /** Asks nothing yet. */
  constructor(options: WorkerQueriesOptions) {
    this.#options = options;
  }

  /** The open connections that match, at most `limit`. */
  async list(filter: ConnectionFilter, limit: number): Promise<ListedConnections> {
    const connections: WorkersConnection[] = [];
    const totals = new Map<number, number>();
    await this.#ask((query) => ({ type: "list", query, filter, limit }), (column, answer) => {
      if (answer.type !== "listed") return true;
      totals.set(column, answer.total);
      // Whatever a worker says, no more is held than was asked for.
      const room = Math.max(0, limit - connections.length);
      for (const connection of answer.connections.slice(0, room)) {
        connections.push({ ...connection, worker: column });
      }
      return answer.isLast;
    });
    const total = [...totals.values()].reduce((sum, count) => sum + count, 0);
    return { connections, total };
  }

  /** Ends the open connections that match. @param afterMs 0 = now @returns how many match */
  async close(filter: ConnectionFilter, reason: Reason, afterMs: number): Promise<number> {
    let total = 0;
    await this.#ask((query) => ({ type: "close", query, filter, reason, afterMs }), (_column, answer) => {
      if (answer.type === "closed") total += answer.count;
      return true;
    });
    return total;
  }

  async #ask(question: (query: number) => ToWorker, take: Query["take"]): Promise<void> {
    const waiting = new Set(this.#options.columns());
    if (waiting.size === 0) return;
    const number = ++this.#number;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open.set(number, { waiting, take, done: resolve });
    const timer = setTimeout(resolve, ANSWER_MS);
    for (const column of waiting) this.#options.send(column, question(number));
    await promise;
    clearTimeout(timer);
    this.#open.delete(number);
  }

  /** A worker has answered. */
  answered(column: number, answer: ConnectionAnswer): void {
    const query = this.#open.get(answer.query);
    if (query === undefined || !query.waiting.has(column) || !query.take(column, answer)) return;
    query.waiting.delete(column);
    if (query.waiting.size === 0) query.done();
  }

  /** A worker has ended and answers nothing any more. */
  lost(column: number): void {
    for (const query of this.#open.values()) {
      if (query.waiting.delete(column) && query.waiting.size === 0) query.done();
    }
  }
}
