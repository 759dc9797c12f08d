/**
 * The far end of an HTTP connection in a test: one of our codecs in either role and version, which records what it
 * gets and answers as it is told.
 *
 * @module
 */

import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import { Http1ServerConnection } from "../../src/http1/server_connection.ts";
import { Http2Connection } from "../../src/http2/connection.ts";
import type { Http2Options } from "../../src/http2/options.ts";
import {
  type Fields,
  type HttpError,
  type HttpHandler,
  NEVER_INDEXED_NONE,
  type RequestHead,
  type ResponseHead,
} from "../../src/wire/http_handler.ts";
import { type Arrivals, arrivals } from "../support/arrivals.ts";

const DECODER = new TextDecoder();
const ENCODER = new TextEncoder();

/** One stream as this end has seen it, and what can be done to it. */
export class PeerStream {
  readonly id: number;
  request: RequestHead | undefined;
  /** Interim responses first. */
  readonly responses: ResponseHead[] = [];
  readonly #parts: Uint8Array[] = [];
  bytes = 0;
  trailers: Fields | undefined;
  isEnded = false;
  /** Code of the reset that ended it. */
  resetCode: number | undefined;
  /** Content that isn't credited: its sender runs out of window. */
  isHolding = false;
  held = 0;
  readonly #peer: HttpPeer;

  /** A stream of `peer`. */
  constructor(id: number, peer: HttpPeer) {
    this.id = id;
    this.#peer = peer;
  }

  /** All content so far. */
  get text(): string {
    return this.#parts.map((part) => DECODER.decode(part)).join("");
  }

  /** The final response's status. */
  get status(): number | undefined {
    return this.responses.find(({ status }) => status >= 200 || status === 101)?.status;
  }

  /** Whether the message is complete or the stream reset. */
  get isOver(): boolean {
    return this.isEnded || this.resetCode !== undefined;
  }

  /** Notes content. */
  take(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
    this.bytes += bytes.length;
  }

  /** Answers with a head, and with content where it is given; then the end, unless `isOpen`. */
  respond(status: number, options: { fields?: Fields; text?: string; isOpen?: boolean } = {}): void {
    const { fields = [], text = "", isOpen = false } = options;
    const end = text === "" && !isOpen;
    this.#peer.codec.response(this.id, { status, fields, neverIndexed: NEVER_INDEXED_NONE }, end);
    if (text !== "") this.#peer.codec.data(this.id, ENCODER.encode(text), !isOpen);
    this.#peer.flush();
  }

  /** Sends content. */
  send(content: string | Uint8Array, isLast = false): void {
    this.#peer.codec.data(this.id, typeof content === "string" ? ENCODER.encode(content) : content, isLast);
    this.#peer.flush();
  }

  /** Sends trailers. */
  finish(trailers: Fields): void {
    this.#peer.codec.trailers(this.id, trailers);
    this.#peer.flush();
  }

  /** Resets it. */
  cancel(code: number): void {
    this.#peer.codec.reset(this.id, code);
    this.#peer.flush();
  }

  /** Credits what was held, and all that comes from now on. */
  release(): void {
    this.isHolding = false;
    this.#peer.codec.credit(this.id, this.held);
    this.held = 0;
    this.#peer.flush();
  }
}

/** What a peer does with a request. */
export type Answer = (stream: PeerStream) => void;

/** How a peer is made. */
export interface PeerOptions {
  readonly version: "h2" | "http/1.1";
  readonly role: "client" | "server";
  /** Called with each output. */
  readonly write: (bytes: Uint8Array) => void;
  /** Called when the output is over and a FIN has to follow. */
  readonly end: () => void;
  /** Server: called when a request's head has come, and, for requests with content, when all of it has. */
  readonly onHead?: Answer;
  readonly onEnd?: Answer;
  readonly http2?: Partial<Http2Options>;
}

/** A codec that records. */
export class HttpPeer implements HttpHandler {
  readonly codec: Http2Connection | Http1ClientConnection | Http1ServerConnection;
  readonly streams: Map<number, PeerStream> = new Map();
  readonly goAways: number[] = [];
  isClosed = false;
  error: HttpError | undefined;
  #isEnded = false;
  readonly #options: PeerOptions;
  readonly #arrivals: Arrivals = arrivals();

  /** A connection on which nothing was said. */
  constructor(options: PeerOptions) {
    this.#options = options;
    const { version, role, http2 } = options;
    if (version === "h2") this.codec = new Http2Connection(this, { role, ...http2 });
    else this.codec = role === "client" ? new Http1ClientConnection(this) : new Http1ServerConnection(this);
  }

  /** Takes bytes from the other end. */
  receive(bytes: Uint8Array): void {
    this.codec.receive(bytes, performance.now());
    this.flush();
  }

  /** The other end has finished. */
  receiveEnd(): void {
    this.codec.receiveEnd(performance.now());
    this.flush();
  }

  /** Writes what there is. */
  flush(): void {
    while (this.codec.hasOutput) this.#options.write(this.codec.takeOutput());
    if (!this.#isEnded && "outputEnded" in this.codec && this.codec.outputEnded) {
      this.#isEnded = true;
      this.#options.end();
    }
    this.#arrivals.notify();
  }

  /** Client: asks, with content where it is given; then the end, unless `isOpen`. */
  ask(head: Partial<RequestHead>, options: { text?: string; isOpen?: boolean } = {}): PeerStream {
    const { text = "", isOpen = false } = options;
    const whole = {
      method: "GET",
      scheme: "https",
      authority: "app.test",
      path: "/",
      fields: [],
      neverIndexed: NEVER_INDEXED_NONE,
      ...head,
    };
    const id = this.codec.request(whole, text === "" && !isOpen);
    if (id === undefined) throw new Error("no stream is free");
    const stream = this.#stream(id);
    if (text !== "") this.codec.data(id, ENCODER.encode(text), !isOpen);
    this.flush();
    return stream;
  }

  /** Waits until `look` finds something; rejects after five seconds. */
  async until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const found = await this.#arrivals.until(() => look() || undefined, 5_000);
    if (found === undefined) throw new DOMException(`no ${what} in 5,000 ms`, "TimeoutError");
    return found;
  }

  #stream(id: number): PeerStream {
    const stream = this.streams.get(id) ?? new PeerStream(id, this);
    this.streams.set(id, stream);
    return stream;
  }

  request(streamId: number, head: RequestHead, end: boolean): void {
    const stream = this.#stream(streamId);
    stream.request = head;
    this.#options.onHead?.(stream);
    if (end) this.#ended(stream);
  }

  response(streamId: number, head: ResponseHead, end: boolean): void {
    const stream = this.#stream(streamId);
    stream.responses.push(head);
    stream.isEnded ||= end;
  }

  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    const stream = this.#stream(streamId);
    stream.take(bytes);
    if (stream.isHolding) stream.held += flowBytes;
    else this.codec.credit(streamId, flowBytes);
    if (end) this.#ended(stream);
  }

  trailers(streamId: number, fields: Fields): void {
    const stream = this.#stream(streamId);
    stream.trailers = fields;
    this.#ended(stream);
  }

  #ended(stream: PeerStream): void {
    stream.isEnded = true;
    this.#options.onEnd?.(stream);
  }

  reset(streamId: number, code: number): void {
    this.#stream(streamId).resetCode = code;
  }

  goAway(lastStreamId: number): void {
    this.goAways.push(lastStreamId);
  }

  closed(error?: HttpError): void {
    this.isClosed = true;
    this.error = error;
  }

  taken(): void {}
  ready(): void {}
}
