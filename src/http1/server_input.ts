/**
 * The reading half of a server connection: turns bytes into requests and their content, one message after the
 * other, and holds what can't be read yet.
 *
 * @module
 */

import type { Fields } from "../wire/http_handler.ts";
import { BodyReader } from "./body_reader.ts";
import { type BodyLength, Refusal } from "./framing.ts";
import { HeadParser } from "./head_parser.ts";
import { HeldInput } from "./held_input.ts";
import type { Http1Limits } from "./options.ts";
import { readRequest, type Request } from "./request_reader.ts";

/** What bytes that arrive now are: a request's head, content of the open request, or not to be read yet. */
export type Expected = "head" | "content" | "nothing";

/** What the input tells the connection; all calls happen inside `receive` and `resume`. */
export interface ServerInputOwner {
  /** Asked again after every other call. */
  expects(): Expected;
  /** A valid head. */
  receivedRequest(request: Request): void;
  /** Content, a view valid during the call; it may be empty when it is the last. */
  receivedContent(bytes: Uint8Array, isLast: boolean): void;
  /** The trailer section, which ends the message. */
  receivedTrailers(fields: Fields): void;
  /** The bytes are refused; `stop` must follow. */
  refused(refusal: Refusal): void;
}

const EMPTY = new Uint8Array(0);
/** An owner that goes on feeding although `wantsInput` is false is stopped at this multiple of the limit. */
const HELD_FACTOR_MAX = 16;

/** Reader of a client's bytes. */
export class ServerInput {
  readonly #owner: ServerInputOwner;
  readonly #parser: HeadParser;
  readonly #body: BodyReader;
  readonly #held = new HeldInput();
  readonly #heldBytesMax: number;
  #isReading = false;
  #isStopped = false;

  /** Expects a request's head first. */
  constructor(owner: ServerInputOwner, limits: Http1Limits) {
    this.#owner = owner;
    this.#heldBytesMax = limits.maxHeldBytes * HELD_FACTOR_MAX;
    this.#parser = new HeadParser(limits.maxHeaderBytes, limits.maxHeaderFields);
    this.#body = new BodyReader(this.#parser, limits.maxHeaderBytes);
    this.#parser.start("request");
  }

  /** Bytes received and not yet read. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** Whether far more is held than `wantsInput` asked for. */
  get isOverfed(): boolean {
    return this.#held.length > this.#heldBytesMax;
  }

  /** Memory held for what can't be read yet and for a head that isn't complete. */
  get bufferedBytes(): number {
    return this.#held.length + this.#parser.carriedBytes;
  }

  /** Whether a head has begun and is not complete. */
  get isHeadPartial(): boolean {
    return this.#parser.isPartial;
  }

  /** Takes bytes: reads them where they lie, or holds a copy of what can't be read yet. */
  receive(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    if (this.#isReading || this.#held.length > 0) {
      this.#held.push(bytes);
      return;
    }
    const read = this.#read(bytes);
    if (read < bytes.length) this.#held.unshift(bytes.subarray(read));
  }

  /** Reads on in what is held; returns whether nothing is left. */
  resume(): boolean {
    if (this.#isReading || this.#isStopped) return false;
    while (this.#held.length > 0) {
      const read = this.#read(this.#held.view());
      if (this.#isStopped || read === 0) return false;
      this.#held.drop(read);
    }
    return true;
  }

  /** The next bytes are a request's head. */
  startHead(): void {
    this.#parser.start("request");
  }

  /** The next bytes are content of this framing, which is not 0. */
  startContent(length: BodyLength): void {
    this.#body.start(length);
  }

  /** Nothing is read any more; what is held is dropped. */
  stop(): void {
    this.#isStopped = true;
    this.#held.clear();
  }

  /** Reads as far as the owner expects anything and returns how many bytes that were. */
  #read(bytes: Uint8Array): number {
    this.#isReading = true;
    let at = 0;
    while (at < bytes.length && !this.#isStopped) {
      const expected = this.#owner.expects();
      if (expected === "nothing") break;
      at = expected === "head" ? this.#readHead(bytes, at) : this.#readContent(bytes, at);
    }
    this.#isReading = false;
    return this.#isStopped ? bytes.length : at;
  }

  #readHead(bytes: Uint8Array, at: number): number {
    const parser = this.#parser;
    const next = parser.read(bytes, at);
    if (parser.state === "done") {
      const request = readRequest(parser);
      if (request instanceof Refusal) this.#owner.refused(request);
      else this.#owner.receivedRequest(request);
    } else if (parser.state !== "more") {
      this.#owner.refused(new Refusal(parser.state === "tooLarge" ? 431 : 400, parser.detail));
    }
    return next;
  }

  #readContent(bytes: Uint8Array, at: number): number {
    const body = this.#body;
    const next = body.next(bytes, at);
    switch (body.outcome) {
      case "data":
        this.#owner.receivedContent(bytes.subarray(body.dataStart, body.dataEnd), body.isLast);
        break;
      case "end":
        this.#owner.receivedContent(EMPTY, true);
        break;
      case "trailers":
        this.#owner.receivedTrailers(body.trailers);
        break;
      case "refused":
        this.#owner.refused(body.refusal);
        break;
      case "more":
        break;
    }
    return next;
  }
}
