/**
 * One HTTP/1.1 connection in the client role: requests in, bytes out; bytes of a backend in, calls on a handler.
 *
 * @module
 */

import {
  ErrorCode,
  type Fields,
  type HttpConnection,
  type HttpError,
  type HttpHandler,
  type RequestHead,
} from "../wire/http_handler.ts";
import { BodyReader } from "./body_reader.ts";
import { ClientExchange } from "./client_exchange.ts";
import { Refusal, TUNNEL, UNTIL_CLOSE } from "./framing.ts";
import { encodeRequestHead } from "./head_encoder.ts";
import { HeadParser } from "./head_parser.ts";
import type { WriteOutcome } from "./message_writer.ts";
import { type Http1Limits, http1Limits, type Http1Options } from "./options.ts";
import { EMPTY, Output } from "./output.ts";
import { readResponse, type Response } from "./response_reader.ts";

/**
 * Client role. One request at a time, streams numbered 1, 2, 3 …; `ready` and {@linkcode canRequest} say when
 * the next may start. A stream id above 1 therefore is a reused connection; with {@linkcode hasResponseBytes} the
 * owner knows whether an answer had begun when the connection died.
 *
 * Every response is held to the rules of `readResponse`. A broken one, one byte that nobody asked for, or a
 * backend that leaves before a response is complete give `reset` and `closed` with an error. `safeToRetry` is true when
 * nothing of the request was taken from the output. Only a response that ends with the connection is complete when the backend leaves.
 *
 * `closed` with an error, or `reset` by the owner: the output is dropped; reset the connection, so that a
 * request cut short doesn't look whole. {@linkcode wantsInput} and {@linkcode outputEnded} are as in the server role.
 */
export class Http1ClientConnection implements HttpConnection {
  readonly #handler: HttpHandler;
  readonly #limits: Http1Limits;
  readonly #parser: HeadParser;
  readonly #body: BodyReader;
  readonly #output = new Output();
  readonly #taken = (streamId: number, bytes: number): void => this.#handler.taken(streamId, bytes);
  #exchange: ClientExchange | undefined;
  #lastStreamId = 0;
  #uncredited = 0;
  #endsWithConnection = false;
  #hasResponseBytes = false;
  #isReading = false;
  #isInputEnded = false;
  #isOutputEnded = false;
  #isDraining = false;
  #isOver = false;

  /** Idle at first: `request` may be called. */
  constructor(handler: HttpHandler, options?: Http1Options) {
    this.#handler = handler;
    this.#limits = http1Limits(options);
    this.#parser = new HeadParser(this.#limits.maxHeaderBytes, this.#limits.maxHeaderFields);
    this.#body = new BodyReader(this.#parser, this.#limits.maxHeaderBytes);
  }

  /** Whether the owner shall read from its socket (also when idle, to see the backend leave). */
  get wantsInput(): boolean {
    return !this.#isOver && !this.#isInputEnded && this.#uncredited < this.#limits.bodyWindowBytes;
  }

  /** Whether a FIN shall follow the output: a tunnel's end was sent. The connection goes on until `closed`. */
  get outputEnded(): boolean {
    return this.#isOutputEnded;
  }

  /** Whether a byte has arrived since the last request was started. */
  get hasResponseBytes(): boolean {
    return this.#hasResponseBytes;
  }

  receive(bytes: Uint8Array, _nowMs: number): void {
    if (this.#isOver || this.#isInputEnded || bytes.length === 0) return;
    this.#hasResponseBytes = true;
    const streamId = this.#exchange?.id ?? 0;
    this.#isReading = true;
    let at = 0;
    while (at < bytes.length && !this.#isOver) at = this.#read(bytes, at);
    this.#isReading = false;
    // Only now: a request started inside would take the rest of these bytes for its response.
    if (!this.#isOver && streamId > 0 && this.#exchange === undefined) this.#handler.ready();
  }

  receiveEnd(_nowMs: number): void {
    if (this.#isOver || this.#isInputEnded) return;
    this.#isInputEnded = true;
    const exchange = this.#exchange;
    if (exchange === undefined || (exchange.isResponseEnded && !exchange.isTunnel)) {
      this.#close();
    } else if (exchange.isHeadRead && this.#endsWithConnection) {
      this.#receivedContent(exchange, EMPTY, true);
    } else if (!exchange.isResponseEnded) {
      this.#fail(ErrorCode.INTERNAL_ERROR, "the backend left before the response was complete", true);
    }
  }

  get hasOutput(): boolean {
    return this.#output.length > 0;
  }

  takeOutput(): Uint8Array {
    if (this.#exchange !== undefined && this.hasOutput) this.#exchange.hasLeft = true;
    return this.#output.take(this.#taken);
  }

  giveBack(output: Uint8Array): void {
    this.#output.giveBack(output, this.#exchange !== undefined);
  }

  /** As in the contract; also `undefined` for a head that HTTP/1.1 can't carry (see `encodeRequestHead`). */
  request(head: RequestHead, end: boolean): number | undefined {
    if (!this.canRequest) return undefined;
    const length = encodeRequestHead(this.#output, head, end, false);
    if (length === undefined) return undefined;
    const id = ++this.#lastStreamId;
    this.#exchange = new ClientExchange(id, head, end, length, this.#output);
    this.#uncredited = 0;
    this.#hasResponseBytes = false;
    this.#parser.start("response");
    return id;
  }

  response(): void {}

  data(streamId: number, bytes: Uint8Array, end: boolean): void {
    const exchange = this.#open(streamId);
    if (exchange === undefined || exchange.isRequestEnded) return;
    this.#wrote(exchange, exchange.writeData(bytes, end));
  }

  trailers(streamId: number, fields: Fields): void {
    const exchange = this.#open(streamId);
    if (exchange === undefined || exchange.isRequestEnded) return;
    this.#wrote(exchange, exchange.writeTrailers(fields));
  }

  reset(streamId: number, code: number): void {
    if (this.#open(streamId) === undefined) return;
    this.#output.clear();
    this.#close({ code, detail: "the request was aborted" });
  }

  credit(streamId: number, flowBytes: number): number {
    if (this.#open(streamId) !== undefined) this.#uncredited = Math.max(0, this.#uncredited - flowBytes);
    return 0;
  }

  get heldBytes(): number {
    return this.#uncredited;
  }

  pending(streamId: number): number {
    return this.#output.contentOf(streamId) + (this.#open(streamId)?.earlyBytes ?? 0);
  }

  /** No further request; the connection ends after the open one, or now. The second step does nothing more. */
  goAway(_code: number): void {
    if (this.#isOver) return;
    this.#isDraining = true;
    if (this.#exchange === undefined) this.#close();
  }

  get openStreams(): number {
    return this.#exchange === undefined ? 0 : 1;
  }

  get canRequest(): boolean {
    return this.#exchange === undefined && !this.#isOver && !this.#isReading && !this.#isDraining &&
      !this.#isInputEnded;
  }

  #open(streamId: number): ClientExchange | undefined {
    return this.#exchange?.id === streamId ? this.#exchange : undefined;
  }

  #read(bytes: Uint8Array, at: number): number {
    const exchange = this.#exchange;
    if (exchange === undefined || !exchange.hasLeft || exchange.isResponseEnded) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, "the backend sent bytes that answer no request", false);
      return bytes.length;
    }
    return exchange.isHeadRead ? this.#readContent(exchange, bytes, at) : this.#readHead(exchange, bytes, at);
  }

  #readHead(exchange: ClientExchange, bytes: Uint8Array, at: number): number {
    const parser = this.#parser;
    const next = parser.read(bytes, at);
    if (parser.state === "done") {
      const response = readResponse(parser, exchange);
      if (response instanceof Refusal) this.#fail(ErrorCode.PROTOCOL_ERROR, response.detail, false);
      else this.#begin(exchange, response);
    } else if (parser.state !== "more") {
      this.#fail(ErrorCode.PROTOCOL_ERROR, parser.detail, false);
    }
    return next;
  }

  #begin(exchange: ClientExchange, response: Response): void {
    if (response.isInterim) {
      if (++exchange.interimResponses > this.#limits.maxInterimResponses) {
        return this.#fail(ErrorCode.PROTOCOL_ERROR, "too many interim responses", false);
      }
      this.#parser.start("response");
      return this.#handler.response(exchange.id, response.head, false);
    }
    exchange.isHeadRead = true;
    if (response.closes) exchange.closes = true;
    if (response.head.status === 101) return this.#openTunnel(exchange, response);
    if (exchange.awaitsSwitch) {
      const dropped = exchange.refuseTunnel();
      if (dropped > 0) this.#handler.taken(exchange.id, dropped);
    }
    const isEnded = response.bodyLength === 0;
    exchange.isResponseEnded = isEnded;
    this.#endsWithConnection = response.bodyLength === UNTIL_CLOSE;
    if (!isEnded) this.#body.start(response.bodyLength);
    this.#handler.response(exchange.id, response.head, isEnded);
    this.#endIfDone(exchange);
  }

  #openTunnel(exchange: ClientExchange, response: Response): void {
    this.#endsWithConnection = true;
    this.#body.start(TUNNEL);
    this.#handler.response(exchange.id, response.head, false);
    if (this.#exchange === exchange) this.#wrote(exchange, exchange.openTunnel());
  }

  #readContent(exchange: ClientExchange, bytes: Uint8Array, at: number): number {
    const body = this.#body;
    const next = body.next(bytes, at);
    switch (body.outcome) {
      case "data":
        this.#receivedContent(exchange, bytes.subarray(body.dataStart, body.dataEnd), body.isLast);
        break;
      case "end":
        this.#receivedContent(exchange, EMPTY, true);
        break;
      case "trailers":
        exchange.isResponseEnded = true;
        this.#handler.trailers(exchange.id, body.trailers);
        this.#endIfDone(exchange);
        break;
      case "refused":
        this.#fail(ErrorCode.PROTOCOL_ERROR, body.refusal.detail, false);
        break;
      case "more":
        break;
    }
    return next;
  }

  #receivedContent(exchange: ClientExchange, bytes: Uint8Array, isLast: boolean): void {
    exchange.isResponseEnded = isLast;
    this.#uncredited += bytes.length;
    this.#handler.data(exchange.id, bytes, bytes.length, isLast);
    this.#endIfDone(exchange);
  }

  #wrote(exchange: ClientExchange, outcome: WriteOutcome): void {
    if (outcome === "open") return;
    if (outcome === "broken") {
      return this.#fail(ErrorCode.INTERNAL_ERROR, "the request can't be written as declared", false);
    }
    exchange.isRequestEnded = true;
    if (exchange.isTunnel) this.#isOutputEnded = true;
    this.#endIfDone(exchange);
    if (!this.#isOver && !this.#isReading && this.#exchange === undefined) this.#handler.ready();
  }

  /** Ends the stream when both messages are complete, or when the response is and the backend is leaving. */
  #endIfDone(exchange: ClientExchange): void {
    if (this.#exchange !== exchange || !exchange.isResponseEnded) return;
    const isLeaving = (exchange.closes && !exchange.isTunnel) || (this.#isInputEnded && !exchange.isTunnel);
    if (!exchange.isRequestEnded && !isLeaving) return;
    this.#exchange = undefined;
    this.#uncredited = 0;
    if (exchange.closes || this.#isDraining || this.#isInputEnded) this.#close();
  }

  #fail(code: number, detail: string, byPeer: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#isOver = true;
    this.#output.clear();
    if (exchange !== undefined) this.#handler.reset(exchange.id, code, byPeer, !exchange.hasLeft);
    this.#close({ code, detail });
  }

  #close(error?: HttpError): void {
    this.#exchange = undefined;
    this.#isOver = true;
    this.#handler.closed(error);
  }
}
