/**
 * Content of a request that waits for a backend, or that may have to be sent once more.
 *
 * @module
 */

import type { Fields, HttpConnection } from "../wire/http_handler.ts";

/** Above it a request that is on its way isn't held any longer, and so can't be repeated. */
const HELD_BYTES_MAX = 8_192;

/** Copies of content. Its sender gets no credit for them, so its window bounds them. */
export class HeldContent {
  /** Trailers, when they have come. */
  trailers: Fields | undefined;
  /** How many bytes are held. */
  bytes = 0;
  readonly #parts: Uint8Array[] = [];

  /** Whether there is more than is worth holding. */
  get isOverLimit(): boolean {
    return this.bytes > HELD_BYTES_MAX;
  }

  /** Keeps a copy. */
  keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes.slice());
    this.bytes += bytes.length;
  }

  /** Gives all that is held to a stream, with its end where the request has one behind a content. */
  replay(codec: HttpConnection, streamId: number, isEnded: boolean): void {
    const last = this.#parts.length - 1;
    const endsWithContent = isEnded && this.trailers === undefined;
    for (const [index, part] of this.#parts.entries()) {
      codec.data(streamId, part, endsWithContent && index === last);
    }
    if (this.trailers !== undefined) codec.trailers(streamId, this.trailers);
  }
}
