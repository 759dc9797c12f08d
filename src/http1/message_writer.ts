/**
 * Writer of one message's content in its framing. A message that can't be ended as declared is `broken`, and
 * then nothing is written that would let it look whole.
 *
 * @module
 */

import type { Fields } from "../wire/http_handler.ts";
import { type BodyLength, CHUNKED, UNTIL_CLOSE } from "./framing.ts";
import { encodeTrailers } from "./head_encoder.ts";
import type { Output } from "./output.ts";

/** Where the message stands after a call: `open`, `done`, or `broken` (more or less content than declared). */
export type WriteOutcome = "open" | "done" | "broken";

/** Content writer; `start` it with each message's framing. */
export class MessageWriter {
  readonly #output: Output;
  #length: BodyLength = 0;

  /** Writes to `output`. */
  constructor(output: Output) {
    this.#output = output;
  }

  /** Gets ready for content of this framing, whose head has been written. */
  start(length: BodyLength): void {
    this.#length = length;
  }

  /** Writes content of a stream. After `end` with a framing other than chunked there is nothing more to write. */
  data(streamId: number, bytes: Uint8Array, end: boolean): WriteOutcome {
    if (this.#length === CHUNKED) {
      if (bytes.length > 0) {
        this.#output.ascii(`${bytes.length.toString(16)}\r\n`);
        this.#output.content(streamId, bytes);
        this.#output.ascii("\r\n");
      }
      if (end) this.#output.ascii("0\r\n\r\n");
      return end ? "done" : "open";
    }
    if (this.#length >= 0) {
      if (bytes.length > this.#length) return "broken";
      this.#length -= bytes.length;
    }
    if (bytes.length > 0) this.#output.content(streamId, bytes);
    return end ? this.#end() : "open";
  }

  /** Ends the message with trailers; framings that can't carry them drop them. */
  trailers(fields: Fields): WriteOutcome {
    if (this.#length !== CHUNKED) return this.#end();
    encodeTrailers(this.#output, fields);
    return "done";
  }

  /** Whether the connection's end is what ends the message. */
  get endsWithConnection(): boolean {
    return this.#length === UNTIL_CLOSE;
  }

  #end(): WriteOutcome {
    return this.#length > 0 ? "broken" : "done";
  }
}
