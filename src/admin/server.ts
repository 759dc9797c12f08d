/**
 * The admin API's listening socket: a Unix socket by default, or TCP with or without TLS. It decides who a caller is
 * before any call is read, and bounds how many there are.
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { messageOf } from "../errors.ts";
import { Deadlines } from "../net/deadlines.ts";
import type { Validity } from "../net/certificates.ts";
import { listeningDescriptors, peerCredentials, setCloseOnExec } from "../net/native.ts";
import { SocketTransport } from "../net/socket_transport.ts";
import { TlsTransport } from "../net/tls_transport.ts";
import { formatEndpoint, UNIX_PREFIX } from "../state/listen_address.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { AcceptWatch } from "./accept_watch.ts";
import { ByteBudget } from "./byte_budget.ts";
import { ANSWER_BYTES_MAX, CONNECTIONS_MAX, REQUEST_BYTES_MAX } from "./call_limits.ts";
import { CallTurns } from "./call_turns.ts";
import { ANYONE, type Caller } from "./caller.ts";
import { GrpcSession } from "./grpc_session.ts";
import { Handshakes } from "./handshakes.ts";
import { AdminTls, shownBy, type ShownClient } from "./tls.ts";
import { bindTcp } from "./tcp_socket.ts";
import { bindUnixSocket } from "./unix_socket.ts";

const TICK_MS = 1_000;
/** Between a GOAWAY and the end of what is still open. */
const CLOSE_MS = 1_000;

/** What a server works with. */
export interface AdminServerOptions {
  /** Where it listens, and who may come. */
  readonly settings: GrpcSettings;
  /** Every method of every service. */
  readonly handlers: readonly UniversalHandler[];
  /** Tells of a client that was turned away: its address, and why. */
  readonly onRefused: (client: string, detail: string) => void;
  /** Unix ms, by which certificates are judged. Default: the machine's clock. */
  readonly unixNow?: () => number;
}

/** One client's connection. */
interface Admitted {
  /** Its address. */
  readonly client: string;
  /** Absent = nobody is asked for a certificate. */
  readonly shown: ShownClient | undefined;
  /** Who it is. */
  readonly caller: Caller;
}

/** A listening admin API. */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #handlers: ReadonlyMap<string, UniversalHandler>;
  readonly #requests = new ByteBudget(REQUEST_BYTES_MAX);
  readonly #turns = new CallTurns();
  readonly #answers = new ByteBudget(ANSWER_BYTES_MAX);
  readonly #deadlines = new Deadlines();
  readonly #sessions = new Map<GrpcSession, Admitted>();
  readonly #handshakes = new Handshakes(this.#deadlines);
  /** Who is at the other end; over TLS it isn't told here. */
  readonly #sockets = new Map<Socket, Caller | undefined>();
  readonly #tls: AdminTls | undefined;
  readonly #unixNow: () => number;
  #server: Server | undefined;
  #accepting: AcceptWatch | undefined;
  #relistening: Promise<void> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #onGone: (() => void) | undefined;

  private constructor(options: AdminServerOptions, tls: AdminTls | undefined) {
    this.#options = options;
    this.#tls = tls;
    this.#unixNow = options.unixNow ?? Date.now;
    this.#handlers = new Map(options.handlers.map((handler) => [handler.requestPath, handler]));
  }

  /** Listens. @throws ProxyError config or unavailable when it can't; nothing is left then */
  static async start(options: AdminServerOptions): Promise<AdminServer> {
    const { settings } = options;
    const tls = settings.tlsCert === "" ? undefined : await AdminTls.load(settings);
    const server = new AdminServer(options, tls);
    await server.#listen();
    return server;
  }

  /** The port; 0 on a Unix socket. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** When the certificate that clients see is valid; absent = it has none. */
  get validity(): Validity | undefined {
    return this.#tls?.validity;
  }

  /**
   * Reads the certificates again, and judges every client by them: who may not come any more is cut off, with its calls.
   *
   * @throws ProxyError unavailable when a file is of no use; then nothing changes
   */
  async reload(): Promise<void> {
    await this.#tls?.reload();
    for (const [session, { client, shown }] of this.#sessions) {
      const caller = shown && this.#tls?.callerOf(shown, this.#unixNow());
      if (typeof caller !== "string") continue;
      this.#options.onRefused(client, caller);
      session.destroy();
    }
  }

  async #listen(): Promise<void> {
    const { addr } = this.#options.settings;
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    if (addr.startsWith(UNIX_PREFIX)) await bindUnixSocket(server, addr.slice(UNIX_PREFIX.length));
    else await bindTcp(server, addr);
    this.#server = server;
    // node:net's Unix listener is inherited by children otherwise, and a worker could accept on it.
    protect(server);
    this.#accepting = new AcceptWatch(descriptor(server) ?? listeningDescriptors(this.port)[0]);
    // One that nobody listens to ends the program: accepting can fail for want of descriptors.
    server.on("error", (error) => this.#options.onRefused("?", `accepting failed: ${error.message}`));
    clearInterval(this.#ticker);
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The runtime accepts nothing any more on a socket that once had no descriptor for a client. */
  #watchAccepting(): void {
    if (this.#relistening !== undefined) return;
    // None = listening again has failed, and is tried again.
    const state = this.#server === undefined ? "stalled" : this.#accepting?.look();
    if (state === "out of descriptors") this.#options.onRefused("?", "accepting failed: out of descriptors");
    if (state !== "stalled") return;
    this.#server?.close();
    this.#server = undefined;
    this.#relistening = this.#listen()
      .catch((error) => this.#options.onRefused("?", `listening failed: ${messageOf(error)}`))
      .finally(() => this.#relistening = undefined);
  }

  #accept(socket: Socket): void {
    protect(socket);
    this.#accepting?.accepted();
    const client = addressOf(socket);
    this.#sockets.set(socket, undefined);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#onGone?.();
    });
    socket.on("error", () => socket.destroy());
    if (this.#tls !== undefined) return this.#shake(this.#tls, socket, client);
    const caller = this.#localCaller(socket);
    this.#sockets.set(socket, caller);
    if (caller === undefined) socket.destroy();
    else this.#admit(socket, { client, shown: undefined, caller });
  }

  #shake(tls: AdminTls, socket: Socket, client: string): void {
    this.#handshakes.begin(tls, socket, {
      onSecure: (secure) => {
        const shown = shownBy(secure);
        const caller = tls.callerOf(shown, this.#unixNow());
        if (typeof caller === "object") return this.#admit(secure, { client, shown, caller });
        this.#options.onRefused(client, caller);
        secure.destroy();
      },
      onFailed: (detail) => this.#options.onRefused(client, detail),
    });
  }

  #localCaller(socket: Socket): Caller | undefined {
    if (!this.#options.settings.addr.startsWith(UNIX_PREFIX)) return ANYONE;
    const fd = descriptor(socket);
    const credentials = fd === undefined ? undefined : peerCredentials(fd);
    return credentials && { ...ANYONE, author: `uid:${credentials.uid}`, process: credentials };
  }

  #admit(socket: Socket, admitted: Admitted): void {
    if (this.#sessions.size >= CONNECTIONS_MAX) {
      this.#options.onRefused(admitted.client, `there are ${CONNECTIONS_MAX} connections already`);
      socket.destroy();
      return;
    }
    const session = new GrpcSession({
      handlers: this.#handlers,
      requests: this.#requests,
      answers: this.#answers,
      turns: this.#turns,
      caller: admitted.caller,
      openTransport: (handler) => {
        const options = { deadlines: this.#deadlines, reset: () => socket.destroy() };
        return socket instanceof TLSSocket
          ? new TlsTransport(socket, handler, options)
          : new SocketTransport(socket, handler, options);
      },
      now: () => performance.now(),
      onGone: (gone) => this.#sessions.delete(gone),
    });
    this.#sessions.set(session, admitted);
  }

  #tick(): void {
    this.#watchAccepting();
    const nowMs = this.#unixNow();
    for (const [session, { client, caller }] of this.#sessions) {
      if (nowMs <= caller.validUntilMs) {
        session.tick();
        continue;
      }
      this.#options.onRefused(client, `${caller.author}: its certificate has expired meanwhile`);
      session.destroy();
    }
  }

  /**
   * Stops listening, lets open calls end for a moment, and ends the rest.
   *
   * @param kept the caller whose open call goes on
   */
  async release(kept?: Caller): Promise<void> {
    await this.#relistening;
    clearInterval(this.#ticker);
    // Closing removes the Unix socket's file: never twice, for the next one may be another process's.
    this.#server?.close();
    this.#server = undefined;
    for (const session of this.#sessions.keys()) session.end();
    const timer = setTimeout(() => {
      for (const [socket, caller] of this.#sockets) {
        if (kept === undefined || caller !== kept) socket.destroy();
      }
    }, CLOSE_MS);
    await this.#allGone(kept);
    clearTimeout(timer);
  }

  /** Listens again after `release`; does nothing without one. @throws ProxyError busy or unavailable when it can't */
  async resume(): Promise<void> {
    if (this.#server === undefined) await this.#listen();
  }

  /** Stops listening, and ends. */
  async close(): Promise<void> {
    await this.release();
    this.#deadlines[Symbol.dispose]();
  }

  async #allGone(kept: Caller | undefined): Promise<void> {
    for (;;) {
      const left = [...this.#sockets.values()].filter((caller) => kept === undefined || caller !== kept);
      if (left.length === 0) return;
      await new Promise<void>((resolve) => this.#onGone = resolve);
    }
  }
}

/** A client's address as the log tells it. */
function addressOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return "unix";
  return formatEndpoint({ host: remoteAddress, port: remotePort });
}

/** The descriptor of a socket of `node:net`, which has no other way to it. */
function descriptor(socket: Socket | Server): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, "fd");
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

function protect(socket: Socket | Server): void {
  const fd = descriptor(socket);
  if (fd !== undefined) setCloseOnExec(fd);
}
