/**
 * One accepted connection: the facts that decisions are made from, its counts and times, and the ways to end it.
 *
 * @module
 */

import { Deadline } from "../net/deadlines.ts";
import { closeQuietly } from "../net/reset.ts";
import { bytesCounter, reasonCounter, verdictCounter } from "../observe/counters.ts";
import { GAUGE_ALL, GAUGE_NONE, listenerGauge, routeGauge } from "../observe/memory_layout.ts";
import type { AdmitFacts, AdmitVerdict, RouteFacts, RouteVerdict } from "../policy/decide.ts";
import { type IpAddress, parseIpAddress } from "../policy/ip_address.ts";
import { type Reason, REASONS } from "../reasons.ts";
import type { Endpoint, Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { Termination } from "../l7/http_plane.ts";
import type { ClientHello } from "../wire/client_hello.ts";
import { connectionEvent, type ConnectionStory } from "./connection_event.ts";
import type { DataPlane } from "./data_plane.ts";
import type { BoundListener } from "./listener.ts";

/** An address that no peer has; stands in for one that the runtime spelled in a way that can't be read. */
const NO_ADDRESS = parseIpAddress("::")!;
const NO_PROTOCOLS: readonly string[] = Object.freeze([]);

/** An accepted connection from accept to close. Owns both sockets: `close` is called exactly once. */
export class ClientConnection implements AdmitFacts, RouteFacts<Route>, ConnectionStory {
  /** Unique over all workers and restarts. */
  readonly id: string;
  /** Who accepted it. */
  readonly listener: BoundListener;
  /** The client's end; owned. */
  readonly socket: Deno.TcpConn;
  /** The state that this connection began with. */
  readonly state: RuntimeState;
  /** The peer's address; the declared one once a trusted peer has declared it. Canonical. */
  client: IpAddress;
  /** The port that belongs to `client`. */
  clientPort: number;
  /** Where the client connected to. */
  destination: Endpoint;
  /** Unix time of the accept in ms: when rules are judged. */
  readonly nowMs: number = Date.now();
  /** Set by whoever ends the connection from outside, or by the first thing that went wrong. */
  endedBy: Reason | undefined;
  hello: ClientHello | undefined;
  admission: AdmitVerdict | undefined;
  /** Where it goes, or the route that refused it; absent = none matched yet. */
  route: Route | undefined;
  /** What is dialled. */
  backendAddress: Endpoint | undefined;
  /** The backend's end once it is connected; owned. */
  backend: Deno.TcpConn | undefined;
  /** Bytes read from the client, the ClientHello and a PROXY header included. */
  bytesReceived = 0;
  /** Bytes written to the client. */
  bytesSent = 0;
  /** From accept to the whole ClientHello, in ms. */
  helloMs: number | undefined;
  /** Of connecting to the backend, in ms. */
  dialMs: number | undefined;
  /** Of the TLS handshake where it is terminated here, in ms. */
  tlsMs: number | undefined;
  /** What layer 7 serves it with; absent on layer 4. */
  termination: Termination | undefined;
  totalMs = 0;
  /** When the last byte went through, by the coarse clock; what the idle limit counts from. */
  lastByteMs = 0;

  /** A write to the client hasn't been taken yet. */
  isSendingDown = false;
  /** A write to the backend hasn't been taken yet. */
  isSendingUp = false;

  readonly #plane: DataPlane;
  readonly #acceptedMs = performance.now();
  readonly #deadline = new Deadline((nowMs) => this.#due(nowMs));
  /** Why the connection ends when its deadline comes. */
  #dueReason: Reason = "internal";
  /** 0 = the deadline stands; else it moves on with the last byte. */
  #idleMs = 0;
  /** Gauges that count this connection. */
  readonly #held: number[] = [];

  /**
   * Registers itself with the worker; `close` takes it out again.
   *
   * @param plane the worker
   * @param listener who accepted it
   * @param socket ownership passes to the connection
   */
  constructor(plane: DataPlane, listener: BoundListener, socket: Deno.TcpConn) {
    this.#plane = plane;
    this.listener = listener;
    this.socket = socket;
    this.state = plane.state;
    this.id = plane.nextConnectionId();
    const { remoteAddr, localAddr } = socket;
    this.client = parseIpAddress(remoteAddr.hostname) ?? NO_ADDRESS;
    this.clientPort = remoteAddr.port;
    this.destination = { host: localAddr.hostname, port: localAddr.port };
    plane.connections.add(this);
  }

  /** The listener's id, for `route`. */
  get listenerId(): number {
    return this.listener.id;
  }

  /** The listener's address, for the event. */
  get listenerName(): string {
    return this.listener.name;
  }

  /** The name that the client asks for; canonical. */
  get serverName(): string | undefined {
    return this.hello?.serverName;
  }

  /** The protocols that the client offers. */
  get alpn(): readonly string[] {
    return this.hello?.alpnProtocols ?? NO_PROTOCOLS;
  }

  /** ISO code of an address, where it is known. */
  country(address: IpAddress): string | undefined {
    return this.#plane.country(address);
  }

  /** Takes a token of the client's bucket; in shadow mode a client without one passes and is counted. */
  takeRateToken(): boolean {
    const { rateLimit, rateBurst } = this.state.limits;
    const { column, rates, limitMode } = this.#plane;
    if (rates.take(this.client, { ratePerSecond: rateLimit, burst: rateBurst })) return true;
    column.count(verdictCounter("rate_limit", limitMode));
    return limitMode === "shadow";
  }

  /**
   * Whether this worker has more connections than its descriptors allow. Also those count that wait for a PROXY
   * header and hold no slot yet: nobody is asked for them before it has come.
   */
  get isOverDescriptors(): boolean {
    return this.#plane.connections.size > this.#plane.connectionsMax;
  }

  /** Takes the slots that count this connection, or says that one of the limits leaves no room. */
  overLimit(route?: Route): boolean {
    if (route !== undefined) {
      return !this.#acquire(routeGauge(this.#plane.routeSlot(route.id)), route.maxConnections);
    }
    const { maxConnections, maxConnectionsPerIp } = this.state.limits;
    const { listener } = this;
    return this.isOverDescriptors ||
      !this.#acquire(GAUGE_ALL, maxConnections) ||
      !this.#acquire(listenerGauge(listener.slot), listener.maxConnections) ||
      (maxConnectionsPerIp > 0 && this.#overAddressLimit(maxConnectionsPerIp));
  }

  #overAddressLimit(limit: number): boolean {
    const { column, limitMode } = this.#plane;
    const gauge = column.acquireAddress(this.client, limit);
    if (gauge === undefined) {
      column.count(verdictCounter("connections", limitMode));
      return limitMode === "enforce";
    }
    if (gauge !== GAUGE_NONE) this.#held.push(gauge);
    return false;
  }

  #acquire(gauge: number, limit: number): boolean {
    const isAdded = this.#plane.column.acquire(gauge, limit);
    if (isAdded) this.#held.push(gauge);
    return isAdded;
  }

  /** Notes whether it was let in, and counts the rules that had a say. */
  admitted(verdict: AdmitVerdict): AdmitVerdict {
    this.admission = verdict;
    const { column } = this.#plane;
    for (const rule of verdict.shadowed) column.count(verdictCounter(rule.type, "shadow"));
    if (verdict.kind === "admit") return verdict;
    if (verdict.reason === "blocked_country") column.count(verdictCounter("country", "enforce"));
    else if (verdict.rule?.action === "block") column.count(verdictCounter(verdict.rule.type, "enforce"));
    return verdict;
  }

  /** Notes where it goes. @returns the backend's address, or why there is none */
  routed(verdict: RouteVerdict<Route>): Endpoint | Reason {
    this.route = verdict.route;
    if (verdict.kind === "refuse") return verdict.reason;
    this.backendAddress = verdict.kind === "acme" ? verdict.route.l7!.acmeBackend! : verdict.route.backend;
    return this.backendAddress;
  }

  /** Whether TLS is terminated here; not so for an ACME challenge, which goes to a backend of its own. */
  get isTerminated(): boolean {
    return this.route?.mode === "l7" && this.backendAddress === this.route.backend;
  }

  /** Takes the address that a trusted peer declares: from here on it is the client. */
  declare(client: IpAddress, port: number, destination: Endpoint): void {
    this.client = client;
    this.clientPort = port;
    this.destination = destination;
  }

  /** The ClientHello is whole. */
  greet(hello: ClientHello): void {
    this.#plane.deadlines.clear(this.#deadline);
    this.hello = hello;
    this.helloMs = this.elapsedMs();
  }

  /** ms since the accept. */
  elapsedMs(): number {
    return performance.now() - this.#acceptedMs;
  }

  /** Ends the connection with `reason` when `timeoutMs` since its accept have passed. */
  endAt(reason: Reason, timeoutMs: number): void {
    this.#dueReason = reason;
    this.#idleMs = 0;
    this.#plane.deadlines.set(this.#deadline, timeoutMs, this.#acceptedMs);
  }

  /** Ends the connection with `reason` when `timeoutMs` from now have passed. */
  endIn(reason: Reason, timeoutMs: number): void {
    this.#dueReason = reason;
    this.#idleMs = 0;
    this.#plane.deadlines.set(this.#deadline, timeoutMs);
  }

  /** Ends the connection with `reason` when no byte has gone through for `idleMs`; 0 = never. */
  endWhenIdle(reason: Reason, idleMs: number): void {
    const { deadlines } = this.#plane;
    this.#dueReason = reason;
    this.#idleMs = idleMs;
    this.lastByteMs = deadlines.coarseMs;
    if (idleMs > 0) deadlines.set(this.#deadline, idleMs);
    else deadlines.clear(this.#deadline);
  }

  /** Bytes have gone through. */
  touch(): void {
    this.lastByteMs = this.#plane.deadlines.coarseMs;
  }

  #due(nowMs: number): void {
    const leftMs = this.#idleMs === 0 ? 0 : this.lastByteMs + this.#idleMs - nowMs;
    if (leftMs <= 0) this.end(this.#dueReason);
    else this.#plane.deadlines.set(this.#deadline, leftMs, nowMs);
  }

  /**
   * Ends the connection at once, whatever it waits for; the first reason stands. A reason that peers see as RST
   * resets both sides, and so does `isCut`; a reset by one peer resets the other, any other reason closes them.
   */
  end(reason: Reason, isCut = false): void {
    if (this.endedBy !== undefined) return;
    this.endedBy = reason;
    const isReset = isCut || REASONS[reason].ending === "rst";
    this.#endSocket(this.socket, isReset || reason === "backend_reset");
    if (this.backend !== undefined) this.#endSocket(this.backend, isReset || reason === "client_reset");
    this.termination?.abort();
  }

  #endSocket(socket: Deno.TcpConn, isReset: boolean): void {
    if (isReset) this.#plane.resetter.reset(socket);
    else closeQuietly(socket);
  }

  /** Closes what is open, gives back its slots and tells its story; the one event of this connection. */
  close(reason: Reason): void {
    const plane = this.#plane;
    plane.deadlines.clear(this.#deadline);
    if (this.endedBy === undefined) {
      closeQuietly(this.socket);
      if (this.backend !== undefined) closeQuietly(this.backend);
    }
    plane.connections.delete(this);
    for (const gauge of this.#held) plane.column.release(gauge);
    this.totalMs = this.elapsedMs();
    const outcome = this.endedBy ?? reason;
    this.#count(outcome);
    const unlogged = plane.sampler.sample(outcome, this.nowMs);
    if (unlogged !== undefined) plane.events.add(connectionEvent(this, outcome, unlogged));
  }

  #count(reason: Reason): void {
    const { column } = this.#plane, { slot } = this.listener;
    column.count(reasonCounter(slot, reason));
    column.count(bytesCounter(slot, "received"), this.bytesReceived);
    column.count(bytesCounter(slot, "sent"), this.bytesSent);
    column.countPhase("hello", this.helloMs);
    column.countPhase("dial", this.dialMs);
    column.countPhase("tls", this.tlsMs);
    column.countPhase("total", this.totalMs);
  }
}
