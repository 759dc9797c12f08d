/**
 * One request and its response on a server connection: how far each has come, and the writing of the response.
 *
 * @module
 */

import type { Fields, ResponseHead } from "../wire/http_handler.ts";
import { TUNNEL } from "./framing.ts";
import { encodeInterimHead, encodeResponseHead, encodeSwitchHead } from "./head_encoder.ts";
import { MessageWriter, type WriteOutcome } from "./message_writer.ts";
import type { Output } from "./output.ts";
import type { Request } from "./request_reader.ts";

/** State of one request and its response. The connection sets what concerns the request. */
export class ServerExchange {
  /** Stream id. */
  readonly id: number;
  /** The request. */
  readonly request: Request;
  /** The method is HEAD. */
  readonly isHead: boolean;
  /** All of the request has been given to the handler. */
  isRequestEnded: boolean;
  /** Content of the request has begun to arrive. */
  hasContent = false;
  /** An upgrade was asked for and not answered: input waits. */
  awaitsSwitch: boolean;
  /** A 101 response was written: bytes pass as they are. */
  isTunnel = false;
  /** The final response head (or a 101) was written. */
  isHeadWritten = false;
  /** All of the response was written. */
  isResponseEnded = false;
  /** The response may have no content (HEAD, 204, 304): what the owner gives is dropped. */
  dropsContent = false;
  /** The connection ends after the response. */
  closes: boolean;
  readonly #output: Output;
  readonly #writer: MessageWriter;
  readonly #interimMax: number;
  #interimResponses = 0;
  #isContinued = false;

  /** A request that was read; its response goes to `output`, with at most `interimMax` interim ones before it. */
  constructor(id: number, request: Request, output: Output, interimMax: number) {
    this.id = id;
    this.request = request;
    this.isHead = request.head.method === "HEAD";
    this.awaitsSwitch = request.head.protocol !== undefined;
    this.isRequestEnded = request.bodyLength === 0 && !this.awaitsSwitch;
    this.closes = request.closes;
    this.#output = output;
    this.#writer = new MessageWriter(output);
    this.#interimMax = interimMax;
  }

  /** Whether bytes that arrive now belong to this request. */
  get readsInput(): boolean {
    return !this.isRequestEnded && !this.awaitsSwitch;
  }

  /** Writes an interim response; not to HTTP/1.0, not beyond the limit, and not when it isn't writable. */
  writeInterim(head: ResponseHead): void {
    if (this.request.isHttp10 || this.#interimResponses >= this.#interimMax) return;
    this.#interimResponses++;
    if (encodeInterimHead(this.#output, head) && head.status === 100) this.#isContinued = true;
  }

  /** Writes a 101 response; `broken` when none was asked for or it isn't writable. */
  writeSwitch(head: ResponseHead, end: boolean): WriteOutcome {
    const protocol = this.request.head.protocol;
    if (!this.awaitsSwitch || protocol === undefined) return "broken";
    if (!encodeSwitchHead(this.#output, head, protocol)) return "broken";
    this.awaitsSwitch = false;
    this.isTunnel = true;
    this.isHeadWritten = true;
    this.closes = true;
    this.#writer.start(TUNNEL);
    return end ? "done" : "open";
  }

  /**
   * Writes a final response head; `broken` when it isn't writable. A client that waits for 100 and has sent no
   * content may send it after a final response or may not (RFC 9110 §10.1.1): the connection can't go on.
   */
  writeHead(head: ResponseHead, end: boolean): WriteOutcome {
    if (this.request.expectsContinue && !this.#isContinued && !this.hasContent) this.closes = true;
    const to = { isHead: this.isHead, isHttp10: this.request.isHttp10 };
    const length = encodeResponseHead(this.#output, head, end, to, this.closes);
    if (length === undefined) return "broken";
    this.isHeadWritten = true;
    this.dropsContent = this.isHead || head.status === 204 || head.status === 304;
    this.#writer.start(length);
    return end ? "done" : "open";
  }

  /** Writes content. */
  writeData(bytes: Uint8Array, end: boolean): WriteOutcome {
    if (this.dropsContent) return end ? "done" : "open";
    return this.#writer.data(this.id, bytes, end);
  }

  /** Writes the trailer section, or drops it where the framing can't carry one. */
  writeTrailers(fields: Fields): WriteOutcome {
    return this.dropsContent ? "done" : this.#writer.trailers(fields);
  }
}
