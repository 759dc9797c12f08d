/**
 * Layer 7 of one worker: the pools of backend connections, the counting of requests, and the drain.
 *
 * @module
 */

import type { Deadlines } from "../net/deadlines.ts";
import { UNSENT_MS } from "../net/transport.ts";
import { floodCounter, isFloodKind, requestCounter } from "../observe/counters.ts";
import type { Limits } from "../state/limits.ts";
import type { Fields, ResponseHead } from "../wire/http_handler.ts";
import type { BackendSession } from "./backend_session.ts";
import type { BackendTarget } from "./backend_target.ts";
import { BufferBudget } from "./buffer_budget.ts";
import type { ClientSession } from "./client_session.ts";
import { errorResponse } from "./error_rules.ts";
import type { Exchange } from "./exchange.ts";
import { Flusher } from "./flusher.ts";
import type { HttpPlane } from "./http_plane.ts";
import { Pool } from "./pool.ts";
import { refusalEvent, requestEvent } from "./request_event.ts";
import { isGrpcRequest } from "./request_rules.ts";

/** Backends whose announcement is remembered; the first of more is forgotten, and announces itself again. */
const ANNOUNCED_MAX = 16_384;
const LOOK_MS_MIN = 50;
const LOOK_MS_MAX = 1_000;

/** Layer 7 of one worker. */
export class HttpService {
  /** The worker. */
  readonly plane: HttpPlane;
  /** Marks of the connections that have output. */
  readonly flusher: Flusher = new Flusher();
  /** What all clients have this worker hold. */
  readonly buffers: BufferBudget;
  /** Backend connections without a request, of shared pools and of clients' own, the longest idle first. */
  readonly idle: Set<BackendSession> = new Set();
  /** New connections are told at once that they are the last. */
  isDraining = false;
  readonly #pools = new Map<string, Pool>();
  /** Keys of backends that have announced extended CONNECT. */
  readonly #announced = new Set<string>();
  #backends = 0;
  #lookMs = 0;

  /**
   * Nothing is opened.
   *
   * @param plane the worker; read when there is something to serve, not before
   * @param buffers default: one with the standard limit
   */
  constructor(plane: HttpPlane, buffers: BufferBudget = new BufferBudget()) {
    this.plane = plane;
    this.buffers = buffers;
  }

  /** All deadlines of the worker. */
  get deadlines(): Deadlines {
    return this.plane.deadlines;
  }

  /** Between two looks at a busy connection's clock: a quarter of the shortest timeout, at most a second. */
  get lookMs(): number {
    if (this.#lookMs === 0) this.#lookMs = lookMsOf(this.plane.state.limits);
    return this.#lookMs;
  }

  /** How long a peer may take for the last output: as long as any, but no longer than a transport gives it. */
  get unsentMs(): number {
    const { streamIdleTimeoutMs } = this.plane.state.limits;
    return streamIdleTimeoutMs === 0 ? UNSENT_MS : Math.min(UNSENT_MS, streamIdleTimeoutMs);
  }

  /** Connections to backends that are open or being made. */
  get backends(): number {
    return this.#backends;
  }

  /** The shared pool of a backend. */
  pool(target: BackendTarget): Pool {
    let pool = this.#pools.get(target.key);
    if (pool === undefined) {
      pool = new Pool(this, target);
      this.#pools.set(target.key, pool);
    }
    return pool;
  }

  /** Takes a pool out that nothing is left of. It may be used again all the same. */
  forget(pool: Pool): void {
    if (this.#pools.get(pool.target.key) === pool) this.#pools.delete(pool.target.key);
  }

  /** Takes a descriptor for a backend connection, from the one that is idle longest if need be. @returns whether there is one */
  takeBackend(): boolean {
    if (this.#backends >= this.plane.connectionsMax) {
      for (const session of this.idle) {
        session.close();
        break;
      }
    }
    if (this.#backends >= this.plane.connectionsMax) return false;
    this.#backends++;
    return true;
  }

  /** A backend connection's descriptor is free again. */
  releaseBackend(): void {
    this.#backends--;
  }

  /** Counts a request that is over, and tells it where that is asked for. */
  countRequest(exchange: Exchange): void {
    this.#countStatus(exchange.client, exchange.status);
    if (this.plane.tellsRequests) this.plane.events.add(requestEvent(exchange));
  }

  /** The same of a request that the codec answers itself. @returns what a gRPC client is told; absent = it is none */
  countRefusal(client: ClientSession, status: number, fields: Fields): ResponseHead | undefined {
    this.#countStatus(client, status);
    if (this.plane.tellsRequests) this.plane.events.add(refusalEvent(client, status));
    return isGrpcRequest({ fields }) ? errorResponse(status, true).head : undefined;
  }

  #countStatus({ context }: ClientSession, status: number): void {
    this.plane.column.count(requestCounter(this.plane.routeSlot(context.route!.id), status));
  }

  /** Counts a connection that was ended as a flood. */
  countFlood(kind: string): void {
    if (isFloodKind(kind)) this.plane.column.count(floodCounter(kind));
  }

  /** A backend has announced extended CONNECT. */
  announceConnect(key: string): void {
    const announced = this.#announced;
    if (announced.has(key)) return;
    const [first] = announced;
    if (first !== undefined && announced.size >= ANNOUNCED_MAX) announced.delete(first);
    announced.add(key);
  }

  /** Whether a backend has announced extended CONNECT. */
  hasAnnouncedConnect(key: string): boolean {
    return this.#announced.has(key);
  }

  /** Ends every backend connection after what is open on it. */
  close(): void {
    for (const pool of [...this.#pools.values()]) pool.close();
  }
}

function lookMsOf(limits: Limits): number {
  const timeouts = [
    limits.requestHeaderTimeoutMs,
    limits.responseHeaderTimeoutMs,
    limits.streamIdleTimeoutMs,
    limits.httpIdleTimeoutMs,
  ].filter((timeoutMs) => timeoutMs > 0);
  return Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, Math.min(...timeouts) / 4));
}
