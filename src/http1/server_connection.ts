/**
 * One HTTP/1.1 connection in the server role: bytes of a client in, calls on a handler; responses in, bytes out.
 *
 * @module
 */

import {
  ErrorCode,
  type Fields,
  type HttpConnection,
  type HttpError,
  type HttpHandler,
  type ResponseHead,
} from "../wire/http_handler.ts";
import { type Refusal, TUNNEL } from "./framing.ts";
import { encodeRefusal } from "./head_encoder.ts";
import type { WriteOutcome } from "./message_writer.ts";
import { type Http1Limits, http1Limits, type Http1Options } from "./options.ts";
import { EMPTY, Output } from "./output.ts";
import type { Request } from "./request_reader.ts";
import { ServerExchange } from "./server_exchange.ts";
import { type Expected, ServerInput } from "./server_input.ts";

/**
 * Server role. Streams are numbered 1, 2, 3 … in the order of the requests; one is open at a time, and the
 * next request comes to the handler when the response before it is complete.
 *
 * **Backpressure.** The owner reads from its socket only while {@linkcode wantsInput} is true, and looks again after
 * each call it makes here. What is received in spite of it is still taken, up to 16 times the limit.
 *
 * **Ends.** `closed` without error, or with one that has a `status`: write the remaining output, send FIN, linger.
 * `closed` with an error without `status`: a message was cut short; reset the connection, because a FIN would make a
 * response that ends with it look whole. {@linkcode outputEnded}: send FIN after the output and go on reading.
 *
 * A client's FIN behind a complete request is a half-close: the response is still written, then the connection ends.
 * A response that is complete before its request leaves the stream open until the request is complete too, or until
 * `reset(id, NO_ERROR)`; which the codec does itself where the connection is to close, or the client waits for a 100.
 */
export class Http1ServerConnection implements HttpConnection {
  readonly #handler: HttpHandler;
  readonly #limits: Http1Limits;
  readonly #input: ServerInput;
  readonly #output = new Output();
  readonly #taken = (streamId: number, bytes: number): void => this.#handler.taken(streamId, bytes);
  #exchange: ServerExchange | undefined;
  #lastStreamId = 0;
  /** Content given to the handler and not yet credited, of the open stream. */
  #uncredited = 0;
  #isTaking = false;
  #isInputEnded = false;
  #isOutputEnded = false;
  #isDraining = false;
  #isOver = false;

  /** Ready for the first request. */
  constructor(handler: HttpHandler, options?: Http1Options) {
    this.#handler = handler;
    this.#limits = http1Limits(options);
    this.#input = new ServerInput({
      expects: () => this.#expects(),
      receivedRequest: (request) => this.#begin(request),
      receivedContent: (bytes, isLast) => this.#receivedContent(bytes, isLast),
      receivedTrailers: (fields) => this.#receivedTrailers(fields),
      refused: (refusal) => this.#refuse(refusal),
    }, this.#limits);
  }

  /** Whether the owner shall read from its socket. Changes only by calls of the owner's. */
  get wantsInput(): boolean {
    return !this.#isOver && !this.#isInputEnded && this.#input.heldBytes < this.#limits.maxHeldBytes &&
      this.#uncredited < this.#limits.bodyWindowBytes;
  }

  /** Whether a FIN shall follow the output: a tunnel's end was sent. The connection goes on until `closed`. */
  get outputEnded(): boolean {
    return this.#isOutputEnded;
  }

  /** Whether a request's head has begun to arrive and is not complete: the header deadline runs. */
  get isHeadPartial(): boolean {
    return this.#exchange === undefined && this.#input.isHeadPartial;
  }

  receive(bytes: Uint8Array, _nowMs: number): void {
    if (this.#isOver || this.#isInputEnded) return;
    this.#input.receive(bytes);
    if (this.#input.isOverfed) {
      this.#end(this.#exchange, false, { code: ErrorCode.INTERNAL_ERROR, detail: "unwanted input was fed" });
    }
    this.#resume();
  }

  receiveEnd(_nowMs: number): void {
    if (this.#isOver || this.#isInputEnded) return;
    this.#isInputEnded = true;
    this.#resume();
  }

  get hasOutput(): boolean {
    return this.#output.length > 0 && !this.#isTaking;
  }

  /** As in the contract; a pipelined request that waited for this comes to the handler inside. */
  takeOutput(): Uint8Array {
    if (this.#isTaking) return EMPTY;
    this.#isTaking = true;
    const bytes = this.#output.take(this.#taken);
    if (this.#exchange === undefined) this.#resume();
    this.#isTaking = false;
    return bytes;
  }

  giveBack(output: Uint8Array): void {
    this.#output.giveBack(output, this.#exchange !== undefined);
  }

  request(): undefined {
    return undefined;
  }

  response(streamId: number, head: ResponseHead, end: boolean): void {
    const exchange = this.#open(streamId);
    if (exchange === undefined || exchange.isHeadWritten) return;
    if (head.status === 101) {
      const outcome = exchange.writeSwitch(head, end);
      this.#input.startContent(TUNNEL);
      this.#wrote(exchange, outcome);
      this.#resume();
    } else if (head.status < 200) {
      exchange.writeInterim(head);
    } else {
      if (this.#isDraining || this.#isInputEnded) exchange.closes = true;
      const outcome = exchange.writeHead(head, end);
      if (exchange.awaitsSwitch && outcome !== "broken") this.#refuseSwitch(exchange);
      this.#wrote(exchange, outcome);
    }
  }

  data(streamId: number, bytes: Uint8Array, end: boolean): void {
    const exchange = this.#open(streamId);
    if (exchange === undefined || !exchange.isHeadWritten || exchange.isResponseEnded) return;
    const outcome = exchange.writeData(bytes, end);
    if (exchange.dropsContent && bytes.length > 0) this.#handler.taken(streamId, bytes.length);
    this.#wrote(exchange, outcome);
  }

  trailers(streamId: number, fields: Fields): void {
    const exchange = this.#open(streamId);
    if (exchange === undefined || !exchange.isHeadWritten || exchange.isResponseEnded) return;
    this.#wrote(exchange, exchange.writeTrailers(fields));
  }

  reset(streamId: number, code: number): void {
    const exchange = this.#open(streamId);
    if (exchange === undefined) return;
    const isWhole = exchange.isResponseEnded && !exchange.isTunnel && code === ErrorCode.NO_ERROR;
    this.#close(isWhole ? undefined : { code, detail: "the response was aborted" });
  }

  credit(streamId: number, flowBytes: number): number {
    if (this.#open(streamId) !== undefined) this.#uncredited = Math.max(0, this.#uncredited - flowBytes);
    return 0;
  }

  get heldBytes(): number {
    return this.#uncredited;
  }

  pending(streamId: number): number {
    return this.#output.contentOf(streamId);
  }

  /** Memory held on behalf of the client, in bytes: output not yet taken, input not yet read. */
  get bufferedBytes(): number {
    return this.#output.length + this.#input.bufferedBytes;
  }

  /** The open response, or the next one, is the last; an idle connection ends now. The second step does nothing more. */
  goAway(_code: number): void {
    this.#isDraining = true;
    this.#resume();
  }

  get openStreams(): number {
    return this.#exchange === undefined ? 0 : 1;
  }

  readonly canRequest = false;

  #open(streamId: number): ServerExchange | undefined {
    return this.#exchange?.id === streamId ? this.#exchange : undefined;
  }

  #expects(): Expected {
    const exchange = this.#exchange;
    if (exchange !== undefined) return exchange.readsInput ? "content" : "nothing";
    return this.#output.length < this.#limits.maxOutputBytes ? "head" : "nothing";
  }

  #begin(request: Request): void {
    const id = ++this.#lastStreamId;
    const exchange = new ServerExchange(id, request, this.#output, this.#limits.maxInterimResponses);
    this.#exchange = exchange;
    if (request.bodyLength !== 0) this.#input.startContent(request.bodyLength);
    this.#handler.request(id, request.head, exchange.isRequestEnded);
  }

  #receivedContent(bytes: Uint8Array, isLast: boolean): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    exchange.hasContent = true;
    exchange.isRequestEnded = isLast;
    this.#uncredited += bytes.length;
    this.#handler.data(exchange.id, bytes, bytes.length, isLast);
    this.#endIfDone(exchange);
  }

  #receivedTrailers(fields: Fields): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    exchange.isRequestEnded = true;
    this.#handler.trailers(exchange.id, fields);
    this.#endIfDone(exchange);
  }

  /** An upgrade was answered otherwise: the request was an ordinary one without content. */
  #refuseSwitch(exchange: ServerExchange): void {
    exchange.awaitsSwitch = false;
    exchange.isRequestEnded = true;
    this.#handler.data(exchange.id, EMPTY, 0, true);
  }

  #wrote(exchange: ServerExchange, outcome: WriteOutcome): void {
    if (this.#exchange !== exchange || outcome === "open") return;
    if (outcome === "broken") {
      const detail = "the response can't be written as declared";
      return this.#end(exchange, false, { code: ErrorCode.INTERNAL_ERROR, detail });
    }
    exchange.isResponseEnded = true;
    if (exchange.isTunnel) this.#isOutputEnded = true;
    else if (!exchange.isRequestEnded && exchange.closes) return this.#end(exchange, false);
    this.#endIfDone(exchange);
  }

  #endIfDone(exchange: ServerExchange): void {
    if (this.#exchange !== exchange || !exchange.isRequestEnded || !exchange.isResponseEnded) return;
    this.#exchange = undefined;
    this.#uncredited = 0;
    this.#input.startHead();
    if (exchange.closes) this.#close();
    else this.#resume();
  }

  /** Reads what is held, and ends the connection when nothing more can come. */
  #resume(): void {
    if (this.#isOver || !this.#input.resume()) return;
    if (this.#isInputEnded) this.#endInput();
    else if (this.#isDraining && this.#exchange === undefined && !this.#input.isHeadPartial) this.#close();
  }

  /** The client's FIN has come, and all before it was read. */
  #endInput(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      const isWhole = !this.#input.isHeadPartial;
      this.#close(isWhole ? undefined : { code: ErrorCode.CANCEL, detail: "the client left inside a head" });
    } else if (exchange.isTunnel && !exchange.isRequestEnded) {
      this.#receivedContent(EMPTY, true);
    } else if (exchange.readsInput) {
      this.#end(exchange, true, { code: ErrorCode.CANCEL, detail: "the client left inside a request" });
    }
  }

  /** What the client sent is refused: answered when nothing of a response was written, and never read on. */
  #refuse({ status, detail }: Refusal): void {
    const exchange = this.#exchange;
    const error = { code: ErrorCode.PROTOCOL_ERROR, detail };
    if (exchange?.isHeadWritten === true) return this.#end(exchange, false, error);
    if (exchange === undefined) this.#handler.refused?.(status, []);
    encodeRefusal(this.#output, status, exchange?.isHead === true);
    this.#end(exchange, false, { ...error, status });
  }

  /** Ends the connection in the middle of a stream, if one is open. Without error the response was complete. */
  #end(exchange: ServerExchange | undefined, byPeer: boolean, error?: HttpError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#exchange = undefined;
    const code = error?.code ?? ErrorCode.NO_ERROR;
    if (exchange !== undefined) this.#handler.reset(exchange.id, code, byPeer, false);
    this.#close(error);
  }

  #close(error?: HttpError): void {
    this.#isOver = true;
    this.#exchange = undefined;
    this.#input.stop();
    this.#handler.closed(error);
  }
}
