/**
 * What a client has sent and nobody has taken yet: looked at, kept whole, replayed once.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";
import type { ClientConnection } from "./client_connection.ts";

/** Holds what most clients send first; a post-quantum hello may take a second read. */
const FIRST_READ_BYTES = 2_048;

/** The first bytes of one connection. Whoever reads bounds how many: it grows while it is asked for more. */
export class Peeked {
  readonly #connection: ClientConnection;
  #buffer = new Uint8Array(FIRST_READ_BYTES);
  #start = 0;
  #end = 0;

  /**
   * Nothing is read yet.
   *
   * @param connection whose socket is read
   */
  constructor(connection: ClientConnection) {
    this.#connection = connection;
  }

  /** Everything read and not taken; a view that is valid until the next `readMore`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Hands over the memory behind `bytes`, for reuse when they have been replayed; nothing is read after it. */
  giveBuffer(): ArrayBuffer {
    const { buffer } = this.#buffer;
    this.#buffer = new Uint8Array(0);
    this.#start = this.#end = 0;
    return buffer;
  }

  /**
   * Reads once more.
   *
   * @param atEnd the reason when the client has finished
   * @returns the bytes that came, a view; or why there are none
   */
  async readMore(atEnd: Reason): Promise<Uint8Array<ArrayBuffer> | Reason> {
    if (this.#end === this.#buffer.length) this.#grow();
    const connection = this.#connection;
    try {
      const read = await connection.socket.read(this.#buffer.subarray(this.#end));
      if (read === null) return atEnd;
      connection.bytesReceived += read;
      this.#end += read;
      return this.#buffer.subarray(this.#end - read, this.#end);
    } catch {
      return connection.endedBy ?? "client_reset";
    }
  }

  /** Takes bytes off the front: they are not replayed. */
  take(count: number): void {
    this.#start += count;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
