/**
 * A client's HTTP connection: takes its requests, finds where they go, and ends it in time.
 *
 * @module
 */

import { Http2Connection } from "../http2/connection.ts";
import { FloodKind } from "../http2/flood.ts";
import { descriptorOf, isSocketDead } from "../net/native.ts";
import type { Transport } from "../net/transport.ts";
import type { Reason } from "../reasons.ts";
import { ErrorCode } from "../wire/http_handler.ts";
import type { Fields, HttpError, RequestHead, ResponseHead } from "../wire/http_handler.ts";
import { Backlog } from "./backlog.ts";
import type { BufferHolder } from "./buffer_budget.ts";
import { type ClientCodec, clientCodec, reasonOf } from "./client_codec.ts";
import { HeadClock, lookAt } from "./client_deadlines.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeCredit } from "./exchange_credit.ts";
import type { ConnectionContext } from "./http_plane.ts";
import type { HttpService } from "./http_service.ts";
import { HttpSession, NEVER_MS } from "./http_session.ts";
import { type ClientProtocols, type Way, Ways } from "./way.ts";

/** Output that waits for a client that doesn't read its socket, at which no more requests are read. */
const UNREAD_BYTES_MAX = 262_144;
/** Between the announcement of the end and the last stream that is taken: a round trip. */
const GOAWAY_STEP_MS = 250;
/** What an open exchange takes of the heap besides its head, for the worker's budget. */
const EXCHANGE_BYTES = 2_048;

/** One client connection behind its TLS. */
export class ClientSession extends HttpSession implements BufferHolder {
  /** The connection as proxy accepted it. */
  readonly context: ConnectionContext;
  /** Layer 7 of this worker. */
  readonly service: HttpService;
  /** What the client speaks. */
  readonly version: "h2" | "http/1.1";
  /** Size of the heads of open requests. */
  headBytes = 0;
  countedBytes = 0;
  readonly #ways: Ways;
  readonly #onEnd: (reason: Reason) => void;
  readonly #heads: HeadClock;
  #backlog: Backlog | undefined;
  /** What the windows of backends' streams may still grow by on this client's account. */
  #growthBytes: number;
  #requests = 0;
  #idleSinceMs: number;
  #drainedMs = 0;
  #drainReason: Reason | undefined;
  #isLastFixed = false;
  #error: HttpError | undefined;
  /** Why the connection ends, when that isn't the client's own end. */
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
    this.#heads = new HeadClock(this.nowMs);
    this.#growthBytes = service.plane.state.limits.maxBufferedBytesPerConnection / 2;
    service.buffers.add(this);
  }

  /** Begins to serve. */
  serve(transport: Transport): void {
    const { limits } = this.service.plane.state;
    const codec = clientCodec(this, this.version, limits, this.#ways.allowsExtendedConnect);
    this.#backlog = new Backlog(codec, limits.maxBufferedBytesPerConnection / 4);
    this.attach(codec, transport);
    if (this.service.isDraining) this.drain("drained");
  }

  /** The codec, which is one of a server. */
  get #server(): ClientCodec {
    return this.codec as ClientCodec;
  }

  /** Whether a backend's reset can be told to the client; else it gets an answer. */
  get takesResets(): boolean {
    return this.version === "h2";
  }

  /** Where a request for `authority` goes now; absent = not over this connection. */
  wayOf(authority: string): Way | undefined {
    return this.#ways.find(authority);
  }

  /** What waits for the client. */
  get backlog(): Backlog {
    return this.#backlog!;
  }

  /** Writes, tells the worker's budget what is held, and lets backends go on that were held back. */
  override flush(): void {
    super.flush();
    if (this.isGone) return;
    const { bufferedBytes, heldBytes } = this.#server;
    const bytes = bufferedBytes + heldBytes + this.headBytes + this.transport.unwrittenBytes;
    this.service.buffers.count(this, bytes + this.exchanges.size * EXCHANGE_BYTES);
    this.backlog.wake();
  }

  /** Ends the connection because it holds most of what is too much for the worker. */
  shed(): void {
    if (this.isGone) return;
    this.#reason ??= "flood";
    const { codec } = this;
    if (codec instanceof Http2Connection && this.transport.isReady && !this.isOver) {
      codec.abort(ErrorCode.ENHANCE_YOUR_CALM, "the worker holds too much", FloodKind.WORKER_BUFFER);
    } else {
      this.service.countFlood(FloodKind.WORKER_BUFFER);
      this.context.end("flood", true);
    }
  }

  /** A request id of ours for the request that has just begun. */
  nextRequestId(): string {
    return `${this.context.id}-${this.#requests.toString(36)}`;
  }

  /** Takes no new requests; ends when those that are open have. */
  drain(reason: Reason): void {
    if (this.#drainedMs > 0 || this.isOver) return;
    this.#drainedMs = this.nowMs = performance.now();
    this.#drainReason = reason;
    this.codec.goAway(ErrorCode.NO_ERROR);
    this.mark();
    this.lookWithin(GOAWAY_STEP_MS);
  }

  /** A request has begun. */
  override request(streamId: number, head: RequestHead, end: boolean): void {
    const exchange = new Exchange(this, streamId, head, end);
    this.#requests++;
    this.headBytes += exchange.headBytes;
    this.exchanges.set(streamId, exchange);
    this.lookWithin(this.service.lookMs);
    if (this.service.buffers.refusesMoreTo(this)) exchange.refuse(503);
    else exchange.begin();
  }

  /** A request was not fit to become one. */
  refused(status: number, fields: Fields): ResponseHead | undefined {
    return this.service.countRefusal(this, status, fields);
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
    if (!this.isEnding) this.#reason ??= error === undefined ? this.#drainReason : reasonOf(error);
    this.mark();
  }

  /** Cuts a response off. In HTTP/1.1 that ends the connection, for that reason. */
  cut(streamId: number, code: number, reason: Reason): void {
    if (this.version === "http/1.1") this.#reason ??= reason;
    this.codec.reset(streamId, code);
    this.mark();
  }

  /** An exchange is over: counts and tells it. */
  exchangeDone(exchange: Exchange): void {
    this.#idleSinceMs = this.nowMs;
    this.headBytes -= exchange.headBytes;
    this.#growthBytes += exchange.grownBytes;
    this.service.countRequest(exchange);
  }

  /** Whether the client reads what it is sent. */
  protected get wantsInput(): boolean {
    const codec = this.#server;
    if (this.version !== "h2") return codec.wantsInput;
    return this.transport.isReady || codec.bufferedBytes < UNREAD_BYTES_MAX;
  }

  /** Counts, and notes when a head began to arrive. */
  protected fed(bytes: number): void {
    this.context.bytesReceived += bytes;
    this.#heads.fed(this.#server, this.#requests, this.nowMs);
    if (this.#heads.sinceMs(this.#server) > 0) this.lookWithin(this.service.lookMs);
  }

  /** Counts. */
  protected sent(bytes: number): void {
    this.context.bytesSent += bytes;
  }

  /** Lets the backend send more of a response. */
  protected credit(exchange: ExchangeCredit): void {
    const mayGrow = !exchange.isDone && !this.backlog.isLarge && !this.service.buffers.isTight;
    this.#growthBytes -= exchange.payBackend(mayGrow ? this.#growthBytes : 0);
  }

  /** Ends what is late. */
  protected look(nowMs: number): number {
    const { limits } = this.service.plane.state;
    if (this.isOver) return NEVER_MS;
    // Who isn't read from because his backend takes nothing would be missed at stream_idle_timeout alone.
    if (!this.wantsInput && isSocketDead(descriptorOf(this.context.socket))) {
      this.context.end("client_reset");
      return NEVER_MS;
    }
    if (this.#drainedMs > 0 && !this.#isLastFixed && nowMs - this.#drainedMs >= GOAWAY_STEP_MS) {
      this.#isLastFixed = true;
      this.codec.goAway(ErrorCode.NO_ERROR);
    }
    for (const exchange of [...this.exchanges.values()]) lookAt(exchange, limits, nowMs);
    const headSinceMs = this.#heads.sinceMs(this.#server);
    if (headSinceMs > 0 && nowMs - headSinceMs >= limits.requestHeaderTimeoutMs) this.#endLate();
    const { codec } = this;
    const isNew = codec instanceof Http2Connection && !codec.isAcknowledged;
    const isBusy = this.exchanges.size > 0 || headSinceMs > 0 || codec.openStreams > 0;
    if (isBusy || isNew) return this.service.lookMs;
    if (limits.httpIdleTimeoutMs === 0) return this.version === "h2" ? 60_000 : NEVER_MS;
    const leftMs = this.#idleSinceMs + limits.httpIdleTimeoutMs - nowMs;
    if (leftMs <= 0) this.#end("http_idle");
    return Math.max(50, Math.min(leftMs, this.version === "h2" ? 60_000 : leftMs));
  }

  /** Ends a connection whose client doesn't finish what it has begun. */
  #endLate(): void {
    const { codec } = this;
    if (!(codec instanceof Http2Connection)) return this.#end("http_timeout");
    this.#reason ??= "http_timeout";
    codec.abort(ErrorCode.ENHANCE_YOUR_CALM, "a field block or SETTINGS did not come in time");
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
    const isCut = this.version === "http/1.1" && this.#error !== undefined &&
      this.#error.status === undefined;
    // A FIN would make a response that ends with the connection look whole.
    if (isCut) this.context.end(this.#reason ?? "client_eof", true);
    else this.transport.finish();
  }

  /** The client doesn't read. */
  protected cutOff(): void {
    this.context.end(this.#reason ?? "idle", true);
  }

  /** Tells who waits for the end. */
  protected ended(broken: boolean): void {
    this.service.buffers.delete(this);
    this.#ways.close();
    this.#onEnd(this.context.endedBy ?? this.#reason ?? (broken ? "client_reset" : "client_eof"));
  }
}
