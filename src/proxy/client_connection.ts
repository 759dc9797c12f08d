/**
 * One accepted connection: the facts that decisions are made from, its counts and times, and the ways to end it.
 *
 * @module
 */

import { bytesCounter, phaseBucket, phaseSum, reasonCounter, verdictCounter } from "../observe/counters.ts";
import type { ConnectionEvent } from "../observe/events.ts";
import { GAUGE_ALL, GAUGE_NONE, listenerGauge, routeGauge } from "../observe/memory_layout.ts";
import { closeQuietly } from "../net/reset.ts";
import { Deadline } from "../net/deadlines.ts";
import type { AdmitFacts, AdmitVerdict, RouteFacts, RouteVerdict } from "../policy/decide.ts";
import type { DecisionRule } from "../policy/firewall.ts";
import { type IpAddress, parseIpAddress } from "../policy/ip_address.ts";
import { type Reason, REASONS } from "../reasons.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint, Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { ClientHello } from "../wire/client_hello.ts";
import type { DataPlane } from "./data_plane.ts";
import type { BoundListener } from "./listener.ts";

/** An address that no peer has; stands in for one that the runtime spelled in a way that can't be read. */
const NO_ADDRESS = parseIpAddress("::")!;
const NO_PROTOCOLS: readonly string[] = Object.freeze([]);
/** Protocols of a hello that are told in its event, and characters of each. */
const EVENT_PROTOCOLS_MAX = 16;
const EVENT_PROTOCOL_LENGTH_MAX = 64;

/** An accepted connection from accept to close. Owns both sockets: `close` is called exactly once. */
export class ClientConnection implements AdmitFacts, RouteFacts<Route> {
  readonly id: string;
  readonly listener: BoundListener;
  readonly socket: Deno.TcpConn;
  /** The state that this connection began with. */
  readonly state: RuntimeState;
  /** The peer's address; the declared one once a trusted peer has declared it. Canonical. */
  client: IpAddress;
  clientPort: number;
  /** Where the client connected to. */
  destination: Endpoint;
  /** Unix time of the accept in ms: when rules are judged. */
  readonly nowMs = Date.now();
  /** Ends the phase that the connection is in. */
  readonly deadline = new Deadline(() => this.onDeadline());
  /** What the deadline does now. Replaced by each phase. */
  onDeadline: () => void = () => this.end("internal");
  /** Set by whoever ends the connection from outside, or by the first thing that went wrong. */
  endedBy: Reason | undefined;
  hello: ClientHello | undefined;
  backend: Deno.TcpConn | undefined;
  bytesReceived = 0;
  bytesSent = 0;
  helloMs: number | undefined;
  dialMs: number | undefined;

  readonly #plane: DataPlane;
  readonly #acceptedMs = performance.now();
  #admission: AdmitVerdict | undefined;
  #route: Route | undefined;
  #backendAddress: Endpoint | undefined;
  /** Gauges that count this connection. */
  readonly #held: number[] = [];

  /** @param plane the worker @param listener who accepted it @param socket ownership passes to the connection */
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

  get listenerId(): number {
    return this.listener.id;
  }

  get serverName(): string | undefined {
    return this.hello?.serverName;
  }

  get alpn(): readonly string[] {
    return this.hello?.alpnProtocols ?? NO_PROTOCOLS;
  }

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

  /** Takes the slots that count this connection, or says that one of the limits leaves no room. */
  overLimit(route?: Route): boolean {
    return route === undefined ? this.#overListenerLimit() : this.#overRouteLimit(route);
  }

  #overListenerLimit(): boolean {
    const { column, connectionsMax } = this.#plane;
    if (column.share(GAUGE_ALL) >= connectionsMax) return true;
    return !this.#acquire(GAUGE_ALL, this.state.limits.maxConnections) ||
      !this.#acquire(listenerGauge(this.listener.slot), this.listener.maxConnections) ||
      this.#overAddressLimit(this.state.limits.maxConnectionsPerIp);
  }

  #overAddressLimit(limit: number): boolean {
    if (limit === 0) return false;
    const { column, limitMode } = this.#plane;
    const gauge = column.acquireAddress(this.client, limit);
    if (gauge === undefined) {
      column.count(verdictCounter("connections", limitMode));
      return limitMode === "enforce";
    }
    if (gauge !== GAUGE_NONE) this.#held.push(gauge);
    return false;
  }

  #overRouteLimit(route: Route): boolean {
    return !this.#acquire(routeGauge(this.#plane.routeSlot(route.id)), route.maxConnections);
  }

  #acquire(gauge: number, limit: number): boolean {
    const isAdded = this.#plane.column.acquire(gauge, limit);
    if (isAdded) this.#held.push(gauge);
    return isAdded;
  }

  /** Notes whether it was let in, and counts the rules that had a say. */
  admitted(verdict: AdmitVerdict): AdmitVerdict {
    this.#admission = verdict;
    const { column } = this.#plane;
    for (const rule of verdict.shadowed) column.count(verdictCounter(rule.type, "shadow"));
    if (verdict.kind === "admit") return verdict;
    if (verdict.reason === "blocked_country") column.count(verdictCounter("country", "enforce"));
    else if (verdict.rule?.action === "block") column.count(verdictCounter(verdict.rule.type, "enforce"));
    return verdict;
  }

  /** Notes where it goes. @returns the backend's address, or why there is none */
  routed(verdict: RouteVerdict<Route>): Endpoint | Reason {
    this.#route = verdict.route;
    if (verdict.kind === "refuse") return verdict.reason;
    this.#backendAddress = verdict.kind === "acme" ? verdict.route.l7!.acmeBackend! : verdict.route.backend;
    return this.#backendAddress;
  }

  /** Takes the address that a trusted peer declares: from here on it is the client. */
  declare(client: IpAddress, port: number, destination: Endpoint): void {
    this.client = client;
    this.clientPort = port;
    this.destination = destination;
  }

  /** The ClientHello is whole. */
  greet(hello: ClientHello): void {
    this.#plane.deadlines.clear(this.deadline);
    this.hello = hello;
    this.helloMs = this.elapsedMs();
  }

  /** Ends the connection with `reason` when `timeoutMs` since its accept have passed. */
  endAt(reason: Reason, timeoutMs: number): void {
    this.onDeadline = () => this.end(reason);
    this.#plane.deadlines.set(this.deadline, Math.max(0, timeoutMs - this.elapsedMs()));
  }

  /** ms since the accept. */
  elapsedMs(): number {
    return performance.now() - this.#acceptedMs;
  }

  /** Whether the backend is told the client's address. */
  get sendsProxyHeader(): boolean {
    return this.#route?.sendProxyProtocol === true;
  }

  /** Idle limit of this connection in ms; 0 = off. */
  get idleTimeoutMs(): number {
    return this.#route?.idleTimeoutMs ?? this.state.limits.idleTimeoutMs;
  }

  /**
   * Ends the connection at once, whatever it waits for; the first reason stands. A reason that peers see as RST,
   * and a reset by either peer, resets both sides; any other closes them.
   */
  end(reason: Reason): void {
    if (this.endedBy !== undefined) return;
    this.endedBy = reason;
    const isReset = REASONS[reason].ending === "rst" || reason === "client_reset" ||
      reason === "backend_reset";
    const { resetter } = this.#plane;
    if (isReset) resetter.reset(this.socket);
    else closeQuietly(this.socket);
    if (this.backend === undefined) return;
    if (isReset) resetter.reset(this.backend);
    else closeQuietly(this.backend);
  }

  /** Closes what is open, gives back its slots and tells its story; the one event of this connection. */
  close(reason: Reason): void {
    const plane = this.#plane;
    plane.deadlines.clear(this.deadline);
    if (this.endedBy === undefined) {
      closeQuietly(this.socket);
      if (this.backend !== undefined) closeQuietly(this.backend);
    }
    plane.connections.delete(this);
    const { column } = plane;
    for (const gauge of this.#held) column.release(gauge);
    const outcome = this.endedBy ?? reason;
    this.#count(outcome);
    const unlogged = plane.sampler.sample(outcome, this.nowMs);
    if (unlogged !== undefined) plane.events.add(this.#event(outcome, unlogged));
  }

  #count(reason: Reason): void {
    const { column } = this.#plane;
    const { slot } = this.listener;
    column.count(reasonCounter(slot, reason));
    column.count(bytesCounter(slot, "received"), this.bytesReceived);
    column.count(bytesCounter(slot, "sent"), this.bytesSent);
    const phases = [["hello", this.helloMs], ["dial", this.dialMs], ["total", this.elapsedMs()]] as const;
    for (const [phase, ms] of phases) {
      if (ms === undefined) continue;
      column.count(phaseBucket(phase, ms));
      column.count(phaseSum(phase), ms);
    }
  }

  #event(reason: Reason, unlogged: number): ConnectionEvent {
    const { hello } = this;
    const admission = this.#admission;
    const rule = admission?.rule;
    return {
      time: Date.now(),
      id: this.id,
      listener: this.listener.name,
      client: formatEndpoint({ host: this.client.text, port: this.clientPort }),
      reason,
      ...(hello !== undefined && helloFields(hello)),
      ...(this.#route !== undefined && { route: this.#route.hostname }),
      ...(rule !== undefined && { rule: ruleName(rule) }),
      ...(admission !== undefined && admission.shadowed.length > 0 &&
        { shadow: admission.shadowed.slice(0, EVENT_PROTOCOLS_MAX).map(ruleName) }),
      ...(this.#backendAddress !== undefined && { backend: formatEndpoint(this.#backendAddress) }),
      bytes_received: this.bytesReceived,
      bytes_sent: this.bytesSent,
      ...(this.helloMs !== undefined && { hello_ms: rounded(this.helloMs) }),
      ...(this.dialMs !== undefined && { dial_ms: rounded(this.dialMs) }),
      total_ms: rounded(this.elapsedMs()),
      ...(unlogged > 0 && { unlogged }),
    };
  }
}

function helloFields(hello: ClientHello): Partial<ConnectionEvent> {
  const alpn = hello.alpnProtocols.slice(0, EVENT_PROTOCOLS_MAX).map((protocol) =>
    protocol.slice(0, EVENT_PROTOCOL_LENGTH_MAX)
  );
  return {
    ...(hello.serverName !== undefined && { sni: hello.serverName }),
    ...(alpn.length > 0 && { alpn }),
    ech_offered: hello.echOffered,
  };
}

function ruleName(rule: DecisionRule): string {
  return `${rule.type}:${rule.value}`;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
