/**
 * What waits for one client because of how slowly he takes it, and the backends that aren't read meanwhile.
 *
 * @module
 */

import { Http2Connection } from "../http2/connection.ts";
import type { BackendSession } from "./backend_session.ts";
import type { ClientCodec } from "./client_codec.ts";

/** One client's. In HTTP/1.1 the one response is bounded by what its backend is credited. */
export class Backlog {
  readonly #codec: ClientCodec;
  readonly #bytesMax: number;
  /** With the client's stream that each is read for. */
  readonly #heldBack = new Map<BackendSession, number>();

  /** Nobody is held back. @param codec the client's @param bytesMax from which on what he doesn't take isn't read */
  constructor(codec: ClientCodec, bytesMax: number) {
    this.#codec = codec;
    this.#bytesMax = bytesMax;
  }

  /** Whether much waits. */
  get isLarge(): boolean {
    const codec = this.#codec;
    return codec instanceof Http2Connection && codec.bufferedBytes > this.#bytesMax;
  }

  /**
   * Whether no more shall be read for a stream: much waits, and the client doesn't take this stream, or nothing at
   * all. Streams that he takes go on beside those that he lets wait.
   */
  isHeldBack(streamId: number): boolean {
    const codec = this.#codec;
    if (!this.isLarge || !(codec instanceof Http2Connection)) return false;
    return codec.outputBytes > this.#bytesMax || codec.pending(streamId) > 0;
  }

  /** Wakes a backend connection when there is room again for what it sends to that stream. */
  holdBack(backend: BackendSession, streamId: number): void {
    this.#heldBack.set(backend, streamId);
  }

  /** Something was taken: lets those go on that may. */
  wake(): void {
    if (this.#heldBack.size === 0) return;
    for (const [backend, streamId] of this.#heldBack) {
      if (this.isHeldBack(streamId)) continue;
      this.#heldBack.delete(backend);
      backend.mark();
    }
  }
}
