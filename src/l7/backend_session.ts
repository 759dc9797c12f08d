/**
 * A connection to a backend: carries the exchanges that its pool gives it.
 *
 * @module
 */

import { Http1ClientConnection } from "../http1/client_connection.ts";
import { Http2Connection } from "../http2/connection.ts";
import { ConnTransport, READ_BYTES_MAX } from "../net/conn_transport.ts";
import { ErrorCode, type Fields, type HttpError, type ResponseHead } from "../wire/http_handler.ts";
import type { Exchange } from "./exchange.ts";
import type { ExchangeCredit } from "./exchange_credit.ts";
import { HttpSession, NEVER_MS } from "./http_session.ts";
import type { Pool } from "./pool.ts";

/** Content read from an HTTP/1.1 backend and not yet gone to the client, at which reading stops. */
const HTTP1_WINDOW_BYTES = 65_536;
/** Of a client with more requests than this at a time, one read of each backend connection brings little. */
const EXCHANGES_READ_LARGE = 4;
/** Of a client for whom less than this may be held, large reads for four would be too much. */
const BUFFERED_BYTES_READ_LARGE = 786_432;
const READ_BYTES_SMALL = 16_384;
/** Silence of a connection after which a request that was given up makes it doubtful. */
const SILENT_MS = 1_000;
const HTTP1_IDLE_MS = 4_000;
const HTTP2_IDLE_MS = 60_000;

/** Requests that one HTTP/2 connection is expected to take. */
export const STREAMS_PER_CONNECTION = 100;

/** One backend connection of a pool. */
export class BackendSession extends HttpSession {
  readonly #pool: Pool;
  /** The backend's SETTINGS have come; always so in HTTP/1.1. */
  #isSettled: boolean;
  #idleSinceMs: number;
  /** When a byte last came. */
  #heardMs = 0;
  #conn: ConnTransport | undefined;
  #error: HttpError | undefined;

  /** A connection that is not attached yet. @param pool told of everything that changes what the connection can take */
  constructor(pool: Pool) {
    super(pool.service);
    this.#pool = pool;
    this.#isSettled = pool.target.version === "http/1.1";
    this.#idleSinceMs = this.nowMs;
  }

  /** Begins on a connection, which is owned from now on. */
  serve(conn: Deno.TcpConn): void {
    const { service, target } = this.#pool;
    const { limits } = service.plane.state;
    const { maxHeaderBytes, maxHeaderFields, maxBufferedBytesPerConnection } = limits;
    // Streams' windows here are no larger than those of as many streams of a client, who has the answers held for him.
    const maxConcurrentStreams = Math.max(STREAMS_PER_CONNECTION, limits.maxConcurrentStreams);
    this.attach(
      target.version === "h2"
        ? new Http2Connection(this, {
          role: "client",
          maxConcurrentStreams,
          maxHeaderBytes,
          maxHeaderFields,
          maxBufferedBytesPerConnection,
        })
        : new Http1ClientConnection(this, {
          maxHeaderBytes,
          maxHeaderFields,
          bodyWindowBytes: HTTP1_WINDOW_BYTES,
        }),
      this.#conn = new ConnTransport(conn, this, service.plane),
    );
  }

  /** Whether the backend has said what it takes. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether an exchange can be started. If not, `ready` of the pool will be told when that may have changed. */
  takes(exchange: Exchange): boolean {
    if (!this.codec.canRequest) return false;
    if (this.#isSettled) return true;
    // How many streams the backend takes isn't known yet, nor whether it can do what a tunnel needs.
    return this.exchanges.size === 0 && (exchange.outbound!.protocol === undefined || this.#canTunnel);
  }

  get #canTunnel(): boolean {
    const { codec } = this;
    return !(codec instanceof Http2Connection) || codec.canExtendedConnect;
  }

  /** Starts an exchange that it `takes`. */
  start(exchange: Exchange): void {
    const { codec } = this;
    const head = exchange.outbound!;
    if (head.protocol !== undefined && !this.#canTunnel) return exchange.refuse(501);
    const streamId = codec.request(head, exchange.endsWithHead);
    // What the codec's own client could say, but this version can't.
    if (streamId === undefined) return exchange.refuse(400);
    this.nowMs = exchange.client.nowMs;
    this.#pool.service.idle.delete(this);
    this.exchanges.set(streamId, exchange);
    if (this.http1 !== undefined) {
      const { service } = this.#pool;
      const isOneOfMany = exchange.client.exchanges.size > EXCHANGES_READ_LARGE;
      const isBound = service.plane.state.limits.maxBufferedBytesPerConnection < BUFFERED_BYTES_READ_LARGE;
      this.#conn!.readBytesMax = isOneOfMany || isBound ? READ_BYTES_SMALL : READ_BYTES_MAX;
    }
    this.lookWithin(this.#pool.service.lookMs);
    exchange.onBackend(this, streamId);
    this.mark();
  }

  /** Ends at once, with its descriptor, a connection on which there is no exchange. */
  close(): void {
    this.#pool.retire(this);
    this.#conn!.close();
  }

  /** Ends after the exchanges that are open. */
  leave(): void {
    if (this.isOver) return;
    this.codec.goAway(ErrorCode.NO_ERROR);
    this.mark();
  }

  /**
   * A request that began then is given up unanswered. Where nothing at all has come since, later requests go to
   * another connection: a backend that went without a word is noticed by the kernel after a quarter of an hour.
   */
  doubt(sinceMs: number, nowMs: number): void {
    if (this.http1 !== undefined || this.#heardMs > sinceMs || nowMs - sinceMs < SILENT_MS) return;
    this.#pool.retire(this);
    this.leave();
  }

  /** A response head, for its exchange. */
  override response(streamId: number, head: ResponseHead, end: boolean): void {
    this.exchanges.get(streamId)?.response(head, end);
  }

  /** Content, for its exchange. */
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    const exchange = this.exchanges.get(streamId);
    if (exchange === undefined) this.codec.credit(streamId, flowBytes);
    else exchange.responseData(bytes, end);
  }

  /** Trailers, for their exchange. */
  trailers(streamId: number, fields: Fields): void {
    this.exchanges.get(streamId)?.responseTrailers(fields);
  }

  /** The backend, its end, or what it sent has ended a stream. */
  reset(streamId: number, code: number, byPeer: boolean, safeToRetry: boolean): void {
    const exchange = this.exchanges.get(streamId);
    if (exchange === undefined) return;
    this.exchanges.delete(streamId);
    const http1 = this.http1 as Http1ClientConnection | undefined;
    exchange.backendLost({
      code,
      isReset: byPeer && !this.isEnding && http1 === undefined,
      safeToRetry,
      isStale: this.isEnding && streamId > 1 && http1?.hasResponseBytes !== true,
    });
  }

  /** Content of a request has moved into the output. */
  taken(streamId: number, bytes: number): void {
    this.exchanges.get(streamId)?.requestTaken(bytes);
  }

  /** The backend takes no more requests here. */
  override goAway(): void {
    this.#pool.retire(this);
  }

  /** More requests may be started. */
  override ready(): void {
    const { codec } = this;
    // A backend that takes no stream is left like one that says nothing: its next connection would take none either.
    if (!this.#isSettled && codec.openStreams === 0 && !codec.canRequest) return this.leave();
    this.#isSettled = true;
    this.#idleSinceMs = this.nowMs;
    // The read that waits while it is idle may bring this much to whoever comes next, whatever else he has going on.
    if (this.http1 !== undefined) this.#conn!.readBytesMax = READ_BYTES_SMALL;
    this.#pool.ready(this, codec instanceof Http2Connection && codec.canExtendedConnect);
    this.noteIdle();
  }

  /** Becomes the last of the idle ones, if it is idle. Until a backend has said what it takes, somebody waits for that. */
  noteIdle(): void {
    const { idle } = this.#pool.service;
    idle.delete(this);
    if (this.#isSettled && this.codec.openStreams === 0 && !this.isOver && !this.isGone) idle.add(this);
  }

  /** The codec is over: nothing can be started any more. */
  closed(error?: HttpError): void {
    this.isOver = true;
    this.#error = error;
    this.#pool.service.idle.delete(this);
    this.#pool.retire(this);
    for (const exchange of [...this.exchanges.values()]) this.abandoned(exchange);
    this.mark();
  }

  /** HTTP/2 bounds what comes by its windows, HTTP/1.1 by not being read. */
  protected get wantsInput(): boolean {
    const http1 = this.http1;
    if (http1 === undefined) return true;
    if (!http1.wantsInput) return false;
    for (const { client, streamId } of this.exchanges.values()) {
      if (client.backlog.isHeldBack(streamId)) {
        client.backlog.holdBack(this, streamId);
        return false;
      }
    }
    return true;
  }

  /** Notes that the backend is there. */
  protected fed(): void {
    this.#heardMs = this.nowMs;
  }

  /** Nothing to count. */
  protected sent(): void {}

  /** Lets the client send more of a request. */
  protected credit(exchange: ExchangeCredit): void {
    exchange.payClient(this.#pool.service.buffers.isTight ? 0 : Infinity);
  }

  /** Ends the connection when it was not needed for long. */
  protected look(nowMs: number): number {
    if (this.isOver) return NEVER_MS;
    const { service, target } = this.#pool;
    if (this.codec.openStreams > 0 || !this.#isSettled) return service.lookMs;
    const standard = target.version === "h2" ? HTTP2_IDLE_MS : HTTP1_IDLE_MS;
    const leftMs = this.#idleSinceMs + (service.plane.state.limits.backendIdleTimeoutMs || standard) - nowMs;
    if (leftMs > 0) return leftMs;
    this.leave();
    return NEVER_MS;
  }

  /** Nobody takes the rest of this request. */
  protected abandoned(exchange: Exchange): void {
    exchange.backendLost({
      code: ErrorCode.INTERNAL_ERROR,
      isReset: false,
      safeToRetry: false,
      isStale: false,
    });
  }

  /** A response that ends with the connection is whole at a FIN, not at a RST nor without TLS's own end. */
  protected override broke(): void {
    for (const [streamId, exchange] of [...this.exchanges]) {
      if (exchange.status === 0) continue;
      this.exchanges.delete(streamId);
      this.abandoned(exchange);
    }
  }

  /** FIN where everything is whole, else RST. */
  protected finish(): void {
    // A request that was cut short must not look whole.
    if (this.#error !== undefined && this.http1 !== undefined) this.transport.reset();
    else this.transport.finish();
  }

  /** The backend doesn't read. */
  protected cutOff(): void {
    this.transport.reset();
  }

  /** Leaves the pool. */
  protected ended(): void {
    this.#pool.service.idle.delete(this);
    this.#pool.gone(this);
  }
}
