/**
 * Where the requests of one client connection go: looked up anew for each request, since the state may have
 * changed, and kept while it has not.
 *
 * @module
 */

import type { Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import { contentLengthOf } from "../wire/http_fields.ts";
import type { Fields } from "../wire/http_handler.ts";
import { type BackendTarget, backendTarget } from "./backend_target.ts";
import type { ForwardingFacts } from "./forwarding_rules.ts";
import type { ConnectionContext } from "./http_plane.ts";
import type { HttpService } from "./http_service.ts";
import { proxyHeaderFor } from "./proxy_header.ts";
import { routeNameOf } from "./request_rules.ts";
import { Pool } from "./pool.ts";

/** What was negotiated with the client. */
export interface ClientProtocols {
  /** By ALPN; without it HTTP/1.1. */
  readonly version: "h2" | "http/1.1";
  /** As `TLSv1.3`. */
  readonly tls: string;
}

/** Where requests go, under one state. */
export class Way {
  /** As the state has it now. */
  readonly route: Route;
  /** Connections to its backend. */
  readonly pool: Pool;
  /** What the backend is told about the client. */
  readonly facts: ForwardingFacts;
  /** 0 = no limit. */
  readonly #bodyBytesMax: number;

  /** A way of that route. */
  constructor(route: Route, pool: Pool, facts: ForwardingFacts, bodyBytesMax: number) {
    this.route = route;
    this.pool = pool;
    this.facts = facts;
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Whether a request declares more content than it may have. */
  isOverLimit(fields: Fields): boolean {
    if (this.#bodyBytesMax === 0) return false;
    const length = contentLengthOf(fields);
    return typeof length === "number" && this.isOverBytes(length);
  }

  /** Whether that is more content than a request may have. */
  isOverBytes(bytes: number): boolean {
    return this.#bodyBytesMax > 0 && bytes > this.#bodyBytesMax;
  }
}

/** The ways of one client connection. */
export class Ways {
  readonly #service: HttpService;
  readonly #context: ConnectionContext;
  readonly #protocols: ClientProtocols;
  /** Pools that belong to this connection alone, because its header stands at the beginning of theirs. */
  readonly #private = new Map<string, Pool>();
  #state: RuntimeState | undefined;
  #authority = "";
  #way: Way | undefined;

  /** Nothing is looked up yet. */
  constructor(service: HttpService, context: ConnectionContext, protocols: ClientProtocols) {
    this.#service = service;
    this.#context = context;
    this.#protocols = protocols;
  }

  /**
   * The way of a request for `authority`: the one of the connection's own route. Absent when the authority leads
   * to another route, or to none: a certificate for many names lets clients ask for any of them (421).
   */
  find(authority: string): Way | undefined {
    const { state } = this.#service.plane;
    if (state === this.#state && authority === this.#authority) return this.#way;
    const listener = state.listenersById.get(this.#context.listenerId);
    const route = listener?.routeTable.find(routeNameOf(authority))?.route;
    const isOwn = route !== undefined && route.id === this.#context.route?.id && route.l7 !== undefined;
    const isSame = isOwn && state === this.#state && this.#way?.route === route;
    if (!isSame) this.#way = isOwn ? this.#build(route) : undefined;
    this.#state = state;
    this.#authority = authority;
    return this.#way;
  }

  /** Whether WebSockets over HTTP/2 can be carried on: the backend speaks HTTP/1.1, or has announced them. */
  get allowsExtendedConnect(): boolean {
    const { route } = this.#context;
    if (route?.l7 === undefined) return false;
    const target = backendTarget(route, this.#service.plane);
    return target.version === "http/1.1" || this.#service.hasAnnouncedConnect(target.key);
  }

  /** Ends the pools that are this connection's own. */
  close(): void {
    for (const pool of this.#private.values()) pool.close();
    this.#private.clear();
  }

  #build(route: Route): Way {
    const { plane } = this.#service;
    const target = backendTarget(route, plane);
    const facts: ForwardingFacts = {
      client: this.#context.client.text,
      port: this.#context.destination.port,
      clientVersion: this.#protocols.version,
      backendVersion: target.version,
      backendScheme: target.tls === undefined ? "http" : "https",
    };
    const pool = route.sendProxyProtocol ? this.#privatePool(target) : this.#service.pool(target);
    return new Way(route, pool, facts, route.l7!.maxBodyBytes ?? plane.state.limits.maxBodyBytes);
  }

  #privatePool(target: BackendTarget): Pool {
    let pool = this.#private.get(target.key);
    if (pool === undefined) {
      pool = new Pool(
        this.#service,
        target,
        proxyHeaderFor(this.#context, { alpn: this.#protocols.version, version: this.#protocols.tls }),
      );
      this.#private.set(target.key, pool);
    }
    return pool;
  }
}
