/**
 * Layer 7 between a client in memory and a backend on a socket: everything is real but the client's TLS.
 *
 * @module
 */

import type { SecureContext } from "node:tls";
import { BufferBudget } from "../../src/l7/buffer_budget.ts";
import { ClientSession } from "../../src/l7/client_session.ts";
import type { ConnectionContext, HttpPlane } from "../../src/l7/http_plane.ts";
import { HttpService } from "../../src/l7/http_service.ts";
import { Deadlines } from "../../src/net/deadlines.ts";
import { Resetter } from "../../src/net/reset.ts";
import type { Http2Options } from "../../src/http2/options.ts";
import type { Transport } from "../../src/net/transport.ts";
import { Column } from "../../src/observe/column.ts";
import type { RequestEvent } from "../../src/observe/events.ts";
import { sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import type { Reason } from "../../src/reasons.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/state/limits.ts";
import type { L7Options, Route } from "../../src/state/model.ts";
import { buildRuntimeState } from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";
import { HttpPeer } from "./http_peer.ts";

/** What a coupling is made of. */
export interface CouplingOptions {
  /** Port of the backend on 127.0.0.1. */
  readonly port: number;
  readonly l7?: Partial<L7Options>;
  readonly limits?: Partial<Limits>;
  readonly sendProxyProtocol?: boolean;
  /** Backend connections at a time. Default 100. */
  readonly connectionsMax?: number;
  /** What all clients may have held. Default: as in a worker. */
  readonly bufferedBytesMax?: number;
  /** Of every route's certificate. Absent = unusable. */
  readonly secureContext?: SecureContext;
}

const LISTENER_ID = 1;

/** One worker's layer 7 with a single route for `app.test`, and `other.test` beside it. */
export class Coupling implements AsyncDisposable {
  readonly service: HttpService;
  readonly column: Column;
  readonly events: RequestEvent[] = [];
  readonly defects: unknown[] = [];
  readonly #route: Route;
  readonly #deadlines = new Deadlines();
  readonly #resetter = new Resetter(() => {});
  readonly #clients: Client[] = [];

  /** Opens nothing. */
  constructor(options: CouplingOptions) {
    const { l7, limits, sendProxyProtocol = false, connectionsMax = 100 } = options;
    const route = (id: number, hostname: string): Route => ({
      id,
      hostname,
      backend: { host: "127.0.0.1", port: options.port },
      enabled: true,
      mode: "l7",
      sendProxyProtocol,
      maxConnections: 0,
      l7: {
        tlsCert: "/c",
        tlsKey: "/k",
        backendTls: false,
        backendCa: "",
        backendServerName: "",
        backendProtocol: "h2c",
        ...l7,
      },
    });
    this.#route = route(1, "app.test");
    const listener = {
      id: LISTENER_ID,
      address: { host: "127.0.0.1", port: 443 },
      maxConnections: 0,
      proxyProtocol: false,
      trustedProxies: [],
      routes: [this.#route, route(2, "other.test")],
    };
    const state = runToEnd(buildRuntimeState({ listeners: [listener], firewallRules: [] }, {
      revision: 1,
      generation: 0,
      limits: { ...DEFAULT_LIMITS, ...limits },
      blockUnknownCountry: false,
    }));
    this.column = new Column(new ArrayBuffer(sharedMemoryBytes(1)), 0);
    const plane: HttpPlane = {
      state,
      column: this.column,
      deadlines: this.#deadlines,
      resetter: this.#resetter,
      events: { add: (event) => void this.events.push(event) },
      tellsRequests: true,
      connectionsMax,
      routeSlot: () => 0,
      secureContext: () => options.secureContext,
      backendAuthorities: () => undefined,
      isOwnListener: () => false,
      reportDefect: (error) => void this.defects.push(error),
    };
    this.service = new HttpService(plane, new BufferBudget(options.bufferedBytesMax));
  }

  /** A connection as proxy hands it over, with what `known` says of it. */
  context(known: Partial<ConnectionContext>): ConnectionContext {
    return {
      id: "test",
      listenerId: LISTENER_ID,
      socket: {} as Deno.TcpConn,
      client: parseIpAddress("192.0.2.1")!,
      clientPort: 50_000,
      destination: { host: "127.0.0.1", port: 443 },
      hello: undefined,
      route: this.#route,
      endedBy: undefined,
      bytesReceived: 0,
      bytesSent: 0,
      tlsMs: undefined,
      termination: undefined,
      end: () => {},
      ...known,
    };
  }

  /** A client of that version. */
  client(version: "h2" | "http/1.1", options: ClientOptions = {}): Client {
    const client = new Client(this, version, options);
    this.#clients.push(client);
    return client;
  }

  /** Ends every client, and waits until no backend connection is left; the backend has to be gone by then. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.leave(true);
    this.service.close();
    while (this.service.backends > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    this.#resetter.flush();
    this.#deadlines[Symbol.dispose]();
  }
}

/** What a client is like. */
export interface ClientOptions {
  /** It sends what it is told and nothing else. */
  readonly isSilent?: boolean;
  /** Of its codec. */
  readonly http2?: Partial<Http2Options>;
}

/** A client whose bytes go to a session of its own and come from it, without a socket. */
export class Client {
  readonly peer: HttpPeer;
  readonly session: ClientSession;
  /** Settles with the reason for which the connection ended. */
  readonly ended: Promise<Reason>;
  /** The connection was reset, or ended with FIN. */
  wasReset = false;
  wasFinished = false;
  readonly #wire: MemoryTransport;

  /** Connects. */
  constructor(coupling: Coupling, version: "h2" | "http/1.1", { isSilent = false, http2 }: ClientOptions) {
    const { promise, resolve } = Promise.withResolvers<Reason>();
    this.ended = promise;
    let endedBy: Reason | undefined;
    const context = coupling.context({
      end: (reason) => {
        endedBy ??= reason;
        this.#wire.reset();
      },
    });
    Object.defineProperty(context, "endedBy", { get: () => endedBy });
    this.peer = new HttpPeer({
      version,
      role: "client",
      ...http2 !== undefined && { http2 },
      write: (bytes) => {
        if (!isSilent) this.#wire.fromClient(bytes);
      },
      end: () => this.#wire.endClient(),
    });
    this.session = new ClientSession(coupling.service, context, { version, tls: "TLSv1.3" }, resolve);
    this.#wire = new MemoryTransport(this);
    this.session.serve(this.#wire);
    this.peer.flush();
  }

  /** Bytes that the client doesn't read pile up in the proxy. */
  set isStalled(isStalled: boolean) {
    this.#wire.stall(isStalled);
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#wire.fromClient(bytes);
  }

  /** The client goes away: FIN, or a RST when `broken`. */
  leave(broken = false): void {
    this.#wire.leave(broken);
  }
}

/** The wire between a client and its session; each direction takes a turn of the microtask queue. */
class MemoryTransport implements Transport {
  isReady = true;
  readonly #client: Client;
  readonly #unread: Uint8Array[] = [];
  #isStalled = false;
  #isPaused = false;
  #isOver = false;
  #isWriteEnded = false;
  readonly #toServer: Uint8Array[] = [];

  constructor(client: Client) {
    this.#client = client;
  }

  get unwrittenBytes(): number {
    return this.#unread.reduce((sum, { length }) => sum + length, 0);
  }

  start(): void {}

  write(bytes: Uint8Array): void {
    this.#unread.push(bytes);
    if (this.#isStalled) this.isReady = false;
    else queueMicrotask(() => this.#deliver());
  }

  stall(isStalled: boolean): void {
    this.#isStalled = isStalled;
    if (!isStalled) this.#deliver();
  }

  #deliver(): void {
    for (let bytes; (bytes = this.#unread.shift()) !== undefined;) this.#client.peer.receive(bytes);
    this.isReady = true;
    if (!this.#isOver) this.#client.session.written();
  }

  fromClient(bytes: Uint8Array): void {
    this.#toServer.push(bytes);
    queueMicrotask(() => this.#feed());
  }

  #feed(): void {
    while (!this.#isPaused && !this.#isOver && this.#toServer.length > 0) {
      this.#client.session.received(this.#toServer.shift()!);
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    queueMicrotask(() => this.#feed());
  }

  leave(broken: boolean): void {
    if (broken) this.#end(true);
    else this.#client.session.receivedEnd();
  }

  endWrite(): void {
    if (this.#isWriteEnded) return;
    this.#isWriteEnded = true;
    queueMicrotask(() => this.#client.peer.receiveEnd());
  }

  endClient(): void {
    queueMicrotask(() => {
      this.#feed();
      this.#client.session.receivedEnd();
    });
  }

  finish(): void {
    this.#client.wasFinished = true;
    queueMicrotask(() => {
      this.#client.peer.receiveEnd();
      this.#end(false);
    });
  }

  reset(): void {
    this.#client.wasReset = true;
    this.#end(true);
  }

  #end(broken: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client.session.disconnected(broken);
  }
}
