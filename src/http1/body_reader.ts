/**
 * Reader of a message's content by its framing, whichever that is, with the trailer section after it.
 *
 * @module
 */

import { allowedTrailers } from "../wire/http_fields.ts";
import type { Fields } from "../wire/http_handler.ts";
import { ChunkedDecoder } from "./chunked_decoder.ts";
import { type BodyLength, CHUNKED, Refusal } from "./framing.ts";
import type { HeadParser } from "./head_parser.ts";

/**
 * What `next` found: `more` bytes wanted, `data`, the `end` of the content without more data, `trailers`
 * (which are an end too), or `refused`.
 */
export type BodyOutcome = "more" | "data" | "end" | "trailers" | "refused";

/** Finds content in the bytes of a connection, without copying it. */
export class BodyReader {
  /** What the last `next` found. */
  outcome: BodyOutcome = "more";
  /** Where the data starts that `next` found. */
  dataStart = 0;
  /** Where it ends. */
  dataEnd = 0;
  /** Whether that data was the last of the message. */
  isLast = false;
  /** The trailer section, when the outcome is `trailers`; fields that may not stand there are dropped. */
  trailers: Fields = [];
  /** Why, when the outcome is `refused`. */
  refusal: Refusal = NOT_REFUSED;
  readonly #parser: HeadParser;
  readonly #chunked: ChunkedDecoder;
  /** Bytes still to come, or one of the other framings. */
  #length: BodyLength = 0;
  #inTrailers = false;

  /** `parser`, free once the head is done, reads the trailers; chunk extensions have `extensionBytesMax` a message. */
  constructor(parser: HeadParser, extensionBytesMax: number) {
    this.#parser = parser;
    this.#chunked = new ChunkedDecoder(extensionBytesMax);
  }

  /** Gets ready for content of this framing; it must not be 0. */
  start(length: BodyLength): void {
    this.#length = length;
    this.#inTrailers = false;
    if (length === CHUNKED) this.#chunked.start();
  }

  /** Reads from `at` on to the first outcome or the end of `bytes`, and returns the offset after it. */
  next(bytes: Uint8Array, at: number): number {
    this.isLast = false;
    if (this.#inTrailers) return this.#nextTrailer(bytes, at);
    if (this.#length === CHUNKED) return this.#nextChunk(bytes, at);
    const end = this.#length < 0 ? bytes.length : Math.min(bytes.length, at + this.#length);
    this.dataStart = at;
    this.dataEnd = end;
    if (this.#length >= 0) {
      this.#length -= end - at;
      this.isLast = this.#length === 0;
    }
    this.outcome = end > at ? "data" : "more";
    return end;
  }

  #nextChunk(bytes: Uint8Array, at: number): number {
    const chunked = this.#chunked;
    const next = chunked.next(bytes, at);
    switch (chunked.outcome) {
      case "data":
        this.dataStart = chunked.dataStart;
        this.dataEnd = chunked.dataEnd;
        this.outcome = "data";
        return next;
      case "more":
        this.outcome = "more";
        return next;
      case "last":
        this.#inTrailers = true;
        this.#parser.start("trailers");
        return this.#nextTrailer(bytes, next);
      default:
        return this.#refuse(chunked.outcome === "tooLarge" ? 431 : 400, chunked.detail, next);
    }
  }

  #nextTrailer(bytes: Uint8Array, at: number): number {
    const parser = this.#parser;
    const next = parser.read(bytes, at);
    if (parser.state === "more") {
      this.outcome = "more";
    } else if (parser.state === "done") {
      this.trailers = readTrailers(parser);
      this.outcome = this.trailers.length > 0 ? "trailers" : "end";
    } else {
      return this.#refuse(parser.state === "tooLarge" ? 431 : 400, parser.detail, next);
    }
    return next;
  }

  #refuse(status: number, detail: string, next: number): number {
    this.outcome = "refused";
    this.refusal = new Refusal(status, detail);
    return next;
  }
}

const NOT_REFUSED = new Refusal(0, "");

function readTrailers(parser: HeadParser): Fields {
  const fields: string[] = [];
  for (let index = 0; index < parser.fieldCount; index++) {
    fields.push(parser.name(index), parser.value(index));
  }
  return allowedTrailers(fields);
}
