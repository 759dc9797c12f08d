/**
 * The admin API's listening socket: a Unix socket by default, or TCP with or without TLS. It decides who a caller is
 * before any call is read, and bounds how many there are.
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { ProxyError } from "../errors.ts";
import { Deadlines } from "../net/deadlines.ts";
import { peerCredentials, setCloseOnExec } from "../net/native.ts";
import { SocketTransport } from "../net/socket_transport.ts";
import { parseListenAddress } from "../state/listen_address.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { CONNECTIONS_MAX, REQUEST_BYTES_MAX } from "./call_limits.ts";
import type { Caller } from "./caller.ts";
import { GrpcSession } from "./grpc_session.ts";
import { RequestBudget } from "./request_body.ts";
import { AdminTls } from "./tls.ts";
import { bindUnixSocket, UNIX_PREFIX } from "./unix_socket.ts";

const TICK_MS = 1_000;
/** Between a GOAWAY and the end of what is still open. */
const CLOSE_MS = 1_000;

/** What a server works with. */
export interface AdminServerOptions {
  /** Where it listens, and who may come. */
  readonly settings: GrpcSettings;
  /** Every method of every service. */
  readonly handlers: readonly UniversalHandler[];
  /** Tells of clients that were turned away. */
  readonly onRefused: (detail: string) => void;
}

/** A listening admin API. */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #handlers: ReadonlyMap<string, UniversalHandler>;
  readonly #budget = new RequestBudget(REQUEST_BYTES_MAX);
  readonly #deadlines = new Deadlines();
  readonly #sessions = new Set<GrpcSession>();
  /** Who is at the other end; over TLS it isn't told here. */
  readonly #sockets = new Map<Socket, Caller | undefined>();
  readonly #tls: AdminTls | undefined;
  #server: Server | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #onGone: (() => void) | undefined;

  private constructor(options: AdminServerOptions, tls: AdminTls | undefined) {
    this.#options = options;
    this.#tls = tls;
    this.#handlers = new Map(options.handlers.map((handler) => [handler.requestPath, handler]));
  }

  /** Listens. @throws ProxyError busy or unavailable when it can't; nothing is left then */
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

  /** Reads the certificates again, for connections from now on. @throws ProxyError unavailable; then nothing changes */
  async reload(): Promise<void> {
    await this.#tls?.reload();
  }

  async #listen(): Promise<void> {
    const { addr } = this.#options.settings;
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    if (addr.startsWith(UNIX_PREFIX)) await bindUnixSocket(server, addr.slice(UNIX_PREFIX.length));
    else await bindTcp(server, addr);
    this.#server = server;
    // node:net's Unix listener is inherited by children otherwise, and a worker could accept on it.
    protect(server);
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  #accept(socket: Socket): void {
    protect(socket);
    if (this.#sockets.size >= CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    this.#sockets.set(socket, undefined);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#onGone?.();
    });
    socket.on("error", () => socket.destroy());
    if (this.#tls === undefined) {
      const caller = this.#localCaller(socket);
      if (caller === undefined) socket.destroy();
      else {
        this.#sockets.set(socket, caller);
        this.#serve(socket, caller);
      }
      return;
    }
    this.#tls.accept(socket, (secure, caller) => this.#serve(secure, caller), this.#options.onRefused);
  }

  #localCaller(socket: Socket): Caller | undefined {
    if (!this.#options.settings.addr.startsWith(UNIX_PREFIX)) return { author: "local", mayChange: true };
    const fd = descriptor(socket);
    const credentials = fd === undefined ? undefined : peerCredentials(fd);
    return credentials && { author: `uid:${credentials.uid}`, mayChange: true, process: credentials };
  }

  #serve(socket: Socket, caller: Caller): void {
    this.#sessions.add(
      new GrpcSession({
        handlers: this.#handlers,
        budget: this.#budget,
        caller,
        openTransport: (handler) =>
          new SocketTransport(socket, handler, { deadlines: this.#deadlines, reset: () => socket.destroy() }),
        now: () => performance.now(),
        onGone: (session) => this.#sessions.delete(session),
      }),
    );
  }

  #tick(): void {
    for (const session of this.#sessions) session.tick();
  }

  /**
   * Stops listening, lets open calls end for a moment, and ends the rest.
   *
   * @param kept the caller whose open call goes on
   */
  async release(kept?: Caller): Promise<void> {
    clearInterval(this.#ticker);
    // Closing removes the Unix socket's file: never twice, for the next one may be another process's.
    this.#server?.close();
    this.#server = undefined;
    for (const session of this.#sessions) session.end();
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

async function bindTcp(server: Server, addr: string): Promise<void> {
  const address = parseListenAddress(addr);
  if (address === undefined) throw new ProxyError("config", `"${addr}" is no address to listen on`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error) => {
    reject(
      new ProxyError("busy", `cannot listen on [grpc] addr "${addr}": ${error.message}`, { cause: error }),
    );
  });
  server.listen(address.port, address.host, resolve);
  await promise;
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
