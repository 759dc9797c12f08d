/**
 * A client's HTTP connection: takes its requests, finds where they go, and ends it in time.
 *
 * @module
 */

import { Http1ServerConnection } from "../http1/server_connection.ts";
import { Http2Connection } from "../http2/connection.ts";
import type { Transport } from "../net/transport.ts";
import type { Reason } from "../reasons.ts";
import type { Limits } from "../state/limits.ts";
import { ErrorCode, type Fields, type HttpError, type RequestHead } from "../wire/http_handler.ts";
import type { BackendSession } from "./backend_session.ts";
import { Exchange } from "./exchange.ts";
import type { ConnectionContext } from "./http_plane.ts";
import type { HttpService } from "./http_service.ts";
import { HttpSession, NEVER_MS } from "./http_session.ts";
import { type ClientProtocols, type Way, Ways } from "./way.ts";

/** Output that waits for a client that doesn't read its socket, at which no more requests are read. */
const UNREAD_BYTES_MAX = 262_144;
/** Between the announcement of the end and the last stream that is taken: a round trip. */
const GOAWAY_STEP_MS = 250;

/** One client connection behind its TLS. */
export class ClientSession extends HttpSession {
  /** The connection as proxy accepted it. */
  readonly context: ConnectionContext;
  /** Layer 7 of this worker. */
  readonly service: HttpService;
  /** What the client speaks. */
  readonly version: "h2" | "http/1.1";
  readonly #ways: Ways;
  readonly #onEnd: (reason: Reason) => void;
  readonly #heldBack = new Set<BackendSession>();
  readonly #bufferedBytesMax: number;
  #requests = 0;
  #idleSinceMs: number;
  #headSinceMs = 0;
  #drainedMs = 0;
  #isLastFixed = false;
  #error: HttpError | undefined;
  #reason: Reason | undefined;

  /** A connection that doesn't serve yet. @param onEnd called once, when nothing is left of the connection */
  constructor(
    service: HttpService,
    context: ConnectionContext,
    protocols: ClientProtocols,
    onEnd: (reason: Reason) => void,
  ) {
    super(service);
    this.service = service;
    this.context = context;
    this.version = protocols.version;
    this.#onEnd = onEnd;
    this.#ways = new Ways(service, context, protocols);
    this.#idleSinceMs = this.nowMs;
    this.#bufferedBytesMax = service.plane.state.limits.maxBufferedBytesPerConnection / 4;
  }

  /** Begins to serve. */
  serve(transport: Transport): void {
    const { limits } = this.service.plane.state;
    const allowsTunnels = this.#ways.allowsExtendedConnect;
    this.attach(
      this.version === "h2"
        ? new Http2Connection(this, {
          role: "server",
          enableConnectProtocol: allowsTunnels,
          ...http2Limits(limits),
        })
        : new Http1ServerConnection(this, {
          maxHeaderBytes: limits.maxHeaderBytes,
          maxHeaderFields: limits.maxHeaderFields,
        }),
      transport,
    );
    if (this.service.isDraining) this.drain();
  }

  /** Whether a backend's reset can be told to the client; else it gets an answer. */
  get takesResets(): boolean {
    return this.version === "h2";
  }

  /** Where a request for `authority` goes now; absent = not over this connection. */
  wayOf(authority: string): Way | undefined {
    return this.#ways.find(authority);
  }

  /** Whether so much waits for the client that no more shall be read for it. */
  get isOverBuffered(): boolean {
    const { codec } = this;
    return codec instanceof Http2Connection && codec.bufferedBytes > this.#bufferedBytesMax;
  }

  /** Wakes a backend connection when there is room again. */
  holdBack(backend: BackendSession): void {
    this.#heldBack.add(backend);
  }

  /** Writes, and lets backends go on that were held back. */
  override flush(): void {
    super.flush();
    if (this.#heldBack.size === 0 || this.isOverBuffered) return;
    for (const backend of this.#heldBack) backend.mark();
    this.#heldBack.clear();
  }

  /** A request id of ours. */
  nextRequestId(): string {
    return `${this.context.id}-${(++this.#requests).toString(36)}`;
  }

  /** Takes no new requests; ends when those that are open have. */
  drain(): void {
    if (this.#drainedMs > 0 || this.isOver) return;
    this.nowMs = performance.now();
    this.#drainedMs = this.nowMs;
    this.codec.goAway(ErrorCode.NO_ERROR);
    this.mark();
    this.lookWithin(GOAWAY_STEP_MS);
  }

  /** A request has begun. */
  override request(streamId: number, head: RequestHead, end: boolean): void {
    const exchange = new Exchange(this, streamId, head, end);
    this.exchanges.set(streamId, exchange);
    this.lookWithin(this.service.lookMs);
    exchange.begin();
  }

  /** Content, for its exchange. */
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    const exchange = this.exchanges.get(streamId);
    if (exchange === undefined) this.codec.credit(streamId, flowBytes);
    else exchange.requestData(bytes, end);
  }

  /** Trailers, for their exchange. */
  trailers(streamId: number, fields: Fields): void {
    this.exchanges.get(streamId)?.requestTrailers(fields);
  }

  /** The client, its end, or what it sent has ended a stream. */
  reset(streamId: number, code: number): void {
    this.exchanges.get(streamId)?.clientReset(code);
  }

  /** Content of a response has moved into the output. */
  taken(streamId: number, bytes: number): void {
    this.exchanges.get(streamId)?.responseTaken(bytes);
  }

  /** The codec is over. */
  closed(error?: HttpError): void {
    this.isOver = true;
    this.#error = error;
    if (error?.flood !== undefined) this.service.countFlood(error.flood);
    this.mark();
  }

  /** An exchange is over: counts and tells it. */
  exchangeDone(exchange: Exchange): void {
    this.#idleSinceMs = this.nowMs;
    this.service.countRequest(exchange);
  }

  /** Whether the client reads what it is sent. */
  protected get wantsInput(): boolean {
    const { codec } = this;
    if (!(codec instanceof Http2Connection)) return (codec as Http1ServerConnection).wantsInput;
    return this.transport.isReady || codec.bufferedBytes < UNREAD_BYTES_MAX;
  }

  /** Counts, and notes when a head began to arrive. */
  protected fed(bytes: number): void {
    this.context.bytesReceived += bytes;
    const codec = this.http1;
    if (codec === undefined) return;
    if (!(codec as Http1ServerConnection).isHeadPartial) this.#headSinceMs = 0;
    else if (this.#headSinceMs === 0) {
      this.#headSinceMs = this.nowMs;
      this.lookWithin(this.service.lookMs);
    }
  }

  /** Counts. */
  protected sent(bytes: number): void {
    this.context.bytesSent += bytes;
  }

  /** Lets the backend send more of a response. */
  protected credit(exchange: Exchange): void {
    const { backend, backendStreamId, owedToBackend } = exchange;
    exchange.owedToBackend = 0;
    if (backend === undefined || backend.isGone) return;
    backend.codec.credit(backendStreamId, owedToBackend);
    backend.mark();
  }

  /** Ends what is late. */
  protected look(nowMs: number): number {
    const { limits } = this.service.plane.state;
    if (this.isOver) return NEVER_MS;
    if (this.#drainedMs > 0 && !this.#isLastFixed && nowMs - this.#drainedMs >= GOAWAY_STEP_MS) {
      this.#isLastFixed = true;
      this.codec.goAway(ErrorCode.NO_ERROR);
    }
    for (const exchange of [...this.exchanges.values()]) {
      expireIfLate(exchange, limits, nowMs);
      exchange.look();
    }
    if (this.#headSinceMs > 0 && nowMs - this.#headSinceMs >= limits.requestHeaderTimeoutMs) {
      this.#end("http_idle");
    }
    if (this.exchanges.size > 0 || this.#headSinceMs > 0 || this.codec.openStreams > 0) {
      return this.service.lookMs;
    }
    if (limits.httpIdleTimeoutMs === 0) return this.version === "h2" ? 60_000 : NEVER_MS;
    const leftMs = this.#idleSinceMs + limits.httpIdleTimeoutMs - nowMs;
    if (leftMs <= 0) this.#end("http_idle");
    // The codec wants to be looked at while its SETTINGS aren't acknowledged.
    return Math.max(50, Math.min(leftMs, this.version === "h2" ? 60_000 : leftMs));
  }

  /** Ends an idle connection in good order. */
  #end(reason: Reason): void {
    this.#reason ??= reason;
    this.codec.goAway(ErrorCode.NO_ERROR);
    this.codec.goAway(ErrorCode.NO_ERROR);
    if (!this.isOver) this.closed();
  }

  /** The client has gone before its exchange was over. */
  protected abandoned(exchange: Exchange): void {
    exchange.clientReset(ErrorCode.CANCEL);
  }

  /** FIN where everything is whole, else RST. */
  protected finish(): void {
    const error = this.#error;
    const isCut = this.version === "http/1.1" && error !== undefined && error.status === undefined &&
      error.flood === undefined;
    // A FIN would make a response that ends with the connection look whole.
    if (isCut) this.context.end("backend_reset");
    else this.transport.finish();
  }

  /** Tells who waits for the end. */
  protected ended(broken: boolean): void {
    this.#ways.close();
    this.#onEnd(this.context.endedBy ?? this.#reasonOf(broken));
  }

  #reasonOf(broken: boolean): Reason {
    if (this.#reason !== undefined) return this.#reason;
    if (this.#error?.flood !== undefined) return "flood";
    if (this.#drainedMs > 0) return "http_idle";
    return broken ? "client_reset" : "client_eof";
  }
}

function expireIfLate(exchange: Exchange, limits: Limits, nowMs: number): void {
  const { responseHeaderTimeoutMs, streamIdleTimeoutMs } = limits;
  const waitsForHead = exchange.status === 0 && exchange.isRequestEnded && !exchange.isGrpc;
  if (waitsForHead && responseHeaderTimeoutMs > 0 && exchange.upgrade === undefined) {
    if (nowMs - exchange.requestEndedMs >= responseHeaderTimeoutMs) return exchange.refuse(504);
  }
  if (streamIdleTimeoutMs === 0 || nowMs - exchange.lastMs < streamIdleTimeoutMs) return;
  if ((exchange.isGrpc || exchange.isTunnel) && !exchange.isBlocked) return;
  exchange.refuse(504);
}

function http2Limits(limits: Limits) {
  const { maxHeaderBytes, maxHeaderFields, maxConcurrentStreams, maxResetsPerSecond, maxResetsBurst } =
    limits;
  return {
    maxHeaderBytes,
    maxHeaderFields,
    maxConcurrentStreams,
    maxResetsPerSecond,
    maxResetsBurst,
    maxControlFramesPerSecond: limits.maxControlFramesPerSecond,
    maxContinuationFrames: limits.maxContinuationFrames,
    maxBufferedBytesPerConnection: limits.maxBufferedBytesPerConnection,
  };
}
