/**
 * One request and its response on a client connection: how far each has come, and the writing of the request.
 *
 * @module
 */

import type { Fields, RequestHead } from "../wire/http_handler.ts";
import { type BodyLength, TUNNEL } from "./framing.ts";
import { HeldInput } from "./held_input.ts";
import { MessageWriter, type WriteOutcome } from "./message_writer.ts";
import type { Output } from "./output.ts";
import type { AskedFor } from "./response_reader.ts";

/** State of one request and its response. The connection sets what concerns the response. */
export class ClientExchange implements AskedFor {
  /** Stream id. */
  readonly id: number;
  /** The method is HEAD. */
  readonly isHead: boolean;
  /** An upgrade is asked for. */
  readonly isUpgrade: boolean;
  /** An upgrade was asked for and not answered: content is kept back. */
  awaitsSwitch: boolean;
  /** A valid 101 came: bytes pass as they are. */
  isTunnel = false;
  /** All of the request was written. */
  isRequestEnded: boolean;
  /** Some of the request was taken from the output: the backend may have seen it. */
  hasLeft = false;
  /** The final response head was read; what follows is content. */
  isHeadRead = false;
  /** All of the response was given to the handler. */
  isResponseEnded = false;
  /** Interim responses so far. */
  interimResponses = 0;
  /** The connection can't be used again. */
  closes = false;
  readonly #writer: MessageWriter;
  /** Content that came before the 101, and whether it was all. */
  readonly #early = new HeldInput();
  #isEarlyEnd = false;

  /** A request whose head was written: `end` without content, otherwise with content of that `length` framing. */
  constructor(id: number, head: RequestHead, end: boolean, length: BodyLength, output: Output) {
    this.id = id;
    this.isUpgrade = length === TUNNEL;
    this.isHead = head.method === "HEAD" && !this.isUpgrade;
    this.awaitsSwitch = this.isUpgrade;
    this.isRequestEnded = end;
    this.#writer = new MessageWriter(output);
    this.#writer.start(length);
  }

  /** Bytes of content kept back until the upgrade is answered. */
  get earlyBytes(): number {
    return this.#early.length;
  }

  /** Writes content, or keeps a copy while an upgrade is not answered. */
  writeData(bytes: Uint8Array, end: boolean): WriteOutcome {
    if (!this.awaitsSwitch) return this.#writer.data(this.id, bytes, end);
    if (this.#isEarlyEnd) return "open";
    if (bytes.length > 0) this.#early.push(bytes);
    this.#isEarlyEnd = end;
    return "open";
  }

  /** Writes the trailer section; a tunnel has none and ends. */
  writeTrailers(fields: Fields): WriteOutcome {
    if (!this.awaitsSwitch) return this.#writer.trailers(fields);
    this.#isEarlyEnd = true;
    return "open";
  }

  /** A valid 101 came: writes what was kept back. */
  openTunnel(): WriteOutcome {
    this.awaitsSwitch = false;
    this.isTunnel = true;
    this.closes = true;
    if (this.#early.length > 0) this.#writer.data(this.id, this.#early.view(), false);
    this.#early.clear();
    return this.#isEarlyEnd ? "done" : "open";
  }

  /** The upgrade was answered otherwise; returns the bytes that were kept back and are dropped now. */
  refuseTunnel(): number {
    this.awaitsSwitch = false;
    this.isRequestEnded = true;
    const dropped = this.#early.length;
    this.#early.clear();
    return dropped;
  }
}
