/**
 * One HTTP connection: a codec, the transport under it, and the exchanges on it. What both roles share: feeding,
 * flushing once a turn, giving credit back when bytes have gone, and looking at the clock.
 *
 * @module
 */

import type { Http1ClientConnection } from "../http1/client_connection.ts";
import type { Http1ServerConnection } from "../http1/server_connection.ts";
import { Http2Connection } from "../http2/connection.ts";
import { Deadline, type Deadlines } from "../net/deadlines.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import type { Fields, HttpError, HttpHandler, RequestHead, ResponseHead } from "../wire/http_handler.ts";
import type { Exchange } from "./exchange.ts";
import type { ExchangeCredit } from "./exchange_credit.ts";
import type { Flusher } from "./flusher.ts";

/** A codec in either version and role. */
export type HttpCodec = Http2Connection | Http1ServerConnection | Http1ClientConnection;

/** What sessions share. */
export interface SessionTools {
  /** All deadlines of the worker. */
  readonly deadlines: Deadlines;
  /** Marks of the connections that have output. */
  readonly flusher: Flusher;
  /** How long the last output may take to leave when the codec is over. */
  readonly unsentMs: number;
}

/** Milliseconds that mean "no look at the clock is needed". */
export const NEVER_MS: number = Infinity;

/** A connection with its codec. `attach` must follow the construction. */
export abstract class HttpSession implements HttpHandler, TransportHandler {
  /** Open exchanges by this connection's stream ids. */
  readonly exchanges: Map<number, Exchange> = new Map();
  /** Time of the last call from outside. */
  nowMs: number = performance.now();
  /** The codec is over: the rest of its output leaves, then the connection ends. */
  isOver = false;
  /** Both ways are gone. */
  isGone = false;
  readonly #tools: SessionTools;
  readonly #deadline = new Deadline((nowMs) => this.#look(nowMs));
  /** Exchanges whose source waits for credit until what was taken has gone. */
  #owed: ExchangeCredit[] = [];
  #codec: HttpCodec | undefined;
  #http1: Http1ServerConnection | Http1ClientConnection | undefined;
  #transport: Transport | undefined;
  /** Since when output waits that is the last; 0 = it doesn't. */
  #overMs = 0;
  #isMarked = false;
  #isEnding = false;
  /** What is being written. */
  #sending: Uint8Array | undefined;

  /** A connection without a codec. */
  constructor(tools: SessionTools) {
    this.#tools = tools;
  }

  /** Gives it its codec and transport, and begins. */
  attach(codec: HttpCodec, transport: Transport): void {
    this.#codec = codec;
    if (!(codec instanceof Http2Connection)) this.#http1 = codec;
    this.#transport = transport;
    transport.start();
    this.mark();
    this.lookWithin(this.look(this.nowMs));
  }

  /** The codec. */
  get codec(): HttpCodec {
    return this.#codec!;
  }

  /** The transport. */
  protected get transport(): Transport {
    return this.#transport!;
  }

  /** The codec where it is HTTP/1.1. */
  protected get http1(): Http1ServerConnection | Http1ClientConnection | undefined {
    return this.#http1;
  }

  /** Whether the peer's end is being told to the codec: a reset that it makes now is no RST_STREAM. */
  protected get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Flushes at the end of this turn. Call it after everything that may have made output. */
  mark(): void {
    if (this.#isMarked || this.isGone) return;
    this.#isMarked = true;
    this.#tools.flusher.add(this);
  }

  /** Pays `exchange`'s source when what was taken of it has gone. */
  owe(exchange: ExchangeCredit): void {
    this.#owed.push(exchange);
  }

  /** Sees to it that `look` is called within that time. */
  lookWithin(delayMs: number): void {
    if (delayMs === NEVER_MS || this.isGone) return;
    const deadline = this.#deadline;
    const isSet = deadline.next !== deadline;
    if (isSet && deadline.dueMs <= this.nowMs + delayMs) return;
    this.#tools.deadlines.set(deadline, delayMs);
  }

  received(bytes: Uint8Array): void {
    this.nowMs = performance.now();
    this.codec.receive(bytes, this.nowMs);
    this.fed(bytes.length);
    // At once: a transport that isn't told before its next read brings one more.
    if (!this.wantsInput) this.#transport!.pause();
    this.mark();
  }

  receivedEnd(): void {
    this.nowMs = performance.now();
    this.#isEnding = true;
    this.codec.receiveEnd(this.nowMs);
    this.#isEnding = false;
    this.mark();
  }

  written(): void {
    if (this.#sending !== undefined) this.codec.giveBack(this.#sending);
    this.#sending = undefined;
    this.flush();
  }

  disconnected(broken: boolean): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#tools.deadlines.clear(this.#deadline);
    this.nowMs = performance.now();
    this.#isEnding = true;
    if (broken) this.broke();
    if (!this.isOver) this.codec.receiveEnd(this.nowMs);
    this.#isEnding = false;
    for (const exchange of [...this.exchanges.values()]) this.abandoned(exchange);
    this.exchanges.clear();
    this.#pay();
    this.ended(broken);
  }

  /** Writes what there is when the transport can take it, and then reads on or stops. */
  flush(): void {
    this.#isMarked = false;
    if (this.isGone) return;
    const codec = this.#codec!;
    const transport = this.#transport!;
    if (codec.hasOutput && transport.isReady) {
      const bytes = this.#sending = codec.takeOutput();
      this.sent(bytes.length);
      transport.write(bytes);
    }
    if (!codec.hasOutput) {
      if (this.isOver) return this.finish();
      if (this.#http1?.outputEnded === true) transport.endWrite();
      if (this.#owed.length > 0 && transport.isReady) this.#pay();
    }
    if (this.isOver && this.#overMs === 0) {
      this.#overMs = this.nowMs = performance.now();
      this.lookWithin(this.#tools.unsentMs);
    }
    if (this.wantsInput) transport.resume();
    else transport.pause();
  }

  #pay(): void {
    const owed = this.#owed;
    if (owed.length === 0) return;
    this.#owed = [];
    for (const exchange of owed) this.credit(exchange);
  }

  #look(nowMs: number): void {
    this.nowMs = nowMs;
    const { codec } = this;
    if (this.isOver) {
      if (this.#overMs === 0) return;
      const leftMs = this.#overMs + this.#tools.unsentMs - nowMs;
      if (leftMs > 0) return this.lookWithin(leftMs);
      return codec.hasOutput ? this.cutOff() : undefined;
    }
    if (codec instanceof Http2Connection) codec.tick(nowMs);
    const delayMs = this.look(nowMs);
    this.mark();
    this.lookWithin(delayMs);
  }

  /** Whether more shall be read. */
  protected abstract readonly wantsInput: boolean;
  /** Bytes were fed to the codec. */
  protected abstract fed(bytes: number): void;
  /** Bytes are being written. */
  protected abstract sent(bytes: number): void;
  /** Gives an exchange's source the credit that this side owes it. */
  protected abstract credit(exchange: ExchangeCredit): void;
  /** Time to look at what is late. @returns ms until the next look, or {@linkcode NEVER_MS} */
  protected abstract look(nowMs: number): number;
  /** The connection has gone under an exchange that the codec doesn't know any more. */
  protected abstract abandoned(exchange: Exchange): void;
  /** The connection has broken, and the codec, which can't tell that from its end, isn't told yet. */
  protected broke(): void {}
  /** The codec is over and its output written: ends the connection in the right way. */
  protected abstract finish(): void;
  /** The codec is over, and the peer doesn't take the rest of its output. */
  protected abstract cutOff(): void;
  /** Both ways are gone; the last call. */
  protected abstract ended(broken: boolean): void;

  request(_streamId: number, _head: RequestHead, _end: boolean): void {}
  response(_streamId: number, _head: ResponseHead, _end: boolean): void {}
  abstract data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void;
  abstract trailers(streamId: number, fields: Fields): void;
  abstract reset(streamId: number, code: number, byPeer: boolean, safeToRetry: boolean): void;
  abstract taken(streamId: number, bytes: number): void;
  goAway(_lastStreamId: number, _code: number): void {}
  ready(): void {}
  abstract closed(error?: HttpError): void;
}
