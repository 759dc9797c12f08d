/**
 * The connections to one backend, and the requests that wait for one.
 *
 * @module
 */

import { BackendSession, STREAMS_PER_CONNECTION } from "./backend_session.ts";
import type { BackendTarget } from "./backend_target.ts";
import { dialBackend } from "./backend_dial.ts";
import type { Exchange } from "./exchange.ts";
import type { HttpService } from "./http_service.ts";

/** A pool. HTTP/2 connections are shared and grown by their stream limit, HTTP/1.1 ones carry one request at a time. */
export class Pool {
  /** Layer 7 of this worker. */
  readonly service: HttpService;
  /** Where the connections go. */
  readonly target: BackendTarget;
  /** Stands before the first byte of every connection. */
  readonly #header: Uint8Array | undefined;
  readonly #open = new Set<BackendSession>();
  /** Those that may take a request: all live ones of HTTP/2, the idle ones of HTTP/1.1, the last used last. */
  readonly #usable: BackendSession[] = [];
  /** In the order in which they came. A set, since any of a great many may leave at any time. */
  readonly #waiting = new Set<Exchange>();
  #dialling = 0;
  #isClosed = false;

  /** An empty pool. @param header stands before everything on each connection; the pool then belongs to one client */
  constructor(service: HttpService, target: BackendTarget, header?: Uint8Array) {
    this.service = service;
    this.target = target;
    this.#header = header;
  }

  /** Whether nothing is left of it. */
  get isEmpty(): boolean {
    return this.#open.size === 0 && this.#waiting.size === 0 && this.#dialling === 0;
  }

  /** Puts an exchange on a connection, now or when there is one; it is refused when there can't be any. */
  acquire(exchange: Exchange): void {
    for (let index = this.#usable.length - 1; index >= 0; index--) {
      const session = this.#usable[index]!;
      if (!session.takes(exchange)) continue;
      session.start(exchange);
      return this.#used(session, index);
    }
    this.#waiting.add(exchange);
    this.#grow();
  }

  /** Forgets an exchange that waits. */
  cancel(exchange: Exchange): void {
    this.#waiting.delete(exchange);
  }

  /** A connection may be able to take more. */
  ready(session: BackendSession, canExtendedConnect: boolean): void {
    if (canExtendedConnect) this.service.announceConnect(this.target.key);
    if (session.isOver) return;
    this.#serve(session);
    if (this.target.version === "h2") {
      if (this.#waiting.size > 0) this.#grow();
    } else if (session.codec.canRequest && !this.#usable.includes(session)) this.#usable.push(session);
  }

  /** A connection takes no more. */
  retire(session: BackendSession): void {
    const index = this.#usable.indexOf(session);
    if (index >= 0) this.#usable.splice(index, 1);
  }

  /** A connection has gone. */
  gone(session: BackendSession): void {
    this.retire(session);
    this.#open.delete(session);
    this.service.releaseBackend();
    // A backend that has said nothing would say nothing to each of those who wait, one after the other.
    if (!session.isSettled) this.#failed(502);
    else if (this.#waiting.size > 0) this.#grow();
    if (this.isEmpty) this.service.forget(this);
  }

  /** Ends all connections after what is open on them. */
  close(): void {
    this.#isClosed = true;
    for (const session of [...this.#open]) session.leave();
  }

  #used(session: BackendSession, index: number): void {
    if (this.target.version === "http/1.1") {
      if (this.#usable[index] === session) this.#usable.splice(index, 1);
      else this.retire(session);
    }
  }

  #serve(session: BackendSession): void {
    for (const exchange of this.#waiting) {
      if (!session.takes(exchange)) return;
      // Before it is started: one that fails at once may come back to wait.
      this.#waiting.delete(exchange);
      session.start(exchange);
    }
  }

  #grow(): void {
    // How many one connection takes, the newest will tell.
    if (this.#usable.some(({ isSettled }) => !isSettled)) return;
    const each = this.target.version === "h2" ? STREAMS_PER_CONNECTION : 1;
    while (!this.#isClosed && this.#dialling * each < this.#waiting.size) {
      if (!this.service.takeBackend()) return this.#failed(503);
      void this.#dial();
    }
  }

  async #dial(): Promise<void> {
    this.#dialling++;
    const outcome = await dialBackend(this.service.plane, this.target, this.#header);
    this.#dialling--;
    if (typeof outcome === "string") {
      this.service.releaseBackend();
      this.#failed(502);
      if (this.isEmpty) this.service.forget(this);
      return;
    }
    const session = new BackendSession(this);
    this.#open.add(session);
    session.serve(outcome);
    if (this.#isClosed) return session.leave();
    if (this.target.version === "h2") this.#usable.push(session);
    this.ready(session, false);
    session.noteIdle();
    if (this.#waiting.size > 0) this.#grow();
  }

  /** No connection came: one request less can be served, or none where nothing else will come. */
  #failed(status: number): void {
    if (this.target.version === "http/1.1") {
      const [first] = this.#waiting;
      if (first !== undefined) this.#waiting.delete(first);
      return first?.refuse(status);
    }
    if (this.#usable.length > 0 || this.#dialling > 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const exchange of waiting) exchange.refuse(status);
  }
}
