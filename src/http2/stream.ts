/**
 * One stream: its state, its windows, and what waits for the peer's.
 *
 * @module
 */

import type { Fields } from "../wire/http_handler.ts";
import type { SpareMemory } from "./spare_memory.ts";

const NOTHING = new Uint8Array(0);
const PENDING_STEP_BYTES = 4_096;

/** State of one open stream (RFC 9113 §5.1). A stream that is closed is in no table any more. */
export class Stream {
  /** Bytes that the peer allows us; negative after its SETTINGS took some back (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** Bytes that the peer may still send. */
  receiveWindow: number;
  /** What the receive window is filled up to. */
  windowBytes: number;
  /** Received and with the owner. */
  heldBytes = 0;
  /** Taken by the owner and not yet announced to the peer. */
  creditBytes = 0;
  /** Taken by the owner since the window last grew. */
  turnoverBytes = 0;
  /** The window was raised to its working size, or there was nothing to raise it with. */
  windowRaised = false;
  /** The peer has sent END_STREAM. */
  remoteEnded = false;
  /** Our END_STREAM has been written. */
  localEnded = false;
  /** In no table any more; calls for it do nothing. */
  closed = false;
  /** The request head (server) or the final response head (client) was received. */
  headReceived = false;
  /** Server: the final response head was written. */
  headSent = false;
  /** Client: what we asked was HEAD, so a declared length speaks of no content. */
  headMethod = false;
  /** Client: CONNECT, whose 2xx turns the stream into a tunnel without a length. */
  connectMethod = false;
  /** Content still to come by the declared length; -1 = none declared. */
  expectedBytes: number = -1;
  /** Client: interim responses so far. */
  interimResponses = 0;
  /** `OutputBuffer.number` when our head was written: `takes` no larger = not a byte of it has left. */
  writtenAtTake: number = -1;
  /** The owner has ended its side, maybe with bytes still pending. */
  endAsked = false;
  /** Trailers that wait for the pending bytes, and their size. */
  pendingTrailers: Fields | undefined;
  /** Bytes of text in `pendingTrailers`. */
  trailerBytes = 0;
  #pending: Uint8Array = NOTHING;
  #pendingStart = 0;
  #pendingEnd = 0;

  /** A stream that was just opened. */
  constructor(readonly id: number, sendWindow: number, receiveWindow: number, windowBytes: number) {
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.windowBytes = windowBytes;
  }

  /** Content that waits for a window. */
  get pendingBytes(): number {
    return this.#pendingEnd - this.#pendingStart;
  }

  /**
   * Keeps a copy of `bytes[from..)` until the peer's windows open. At first in no more memory than it needs: a stream
   * that waits may wait for long, and most hold what one read brought.
   */
  keep(bytes: Uint8Array, from: number, spare: SpareMemory): void {
    const count = bytes.length - from;
    const held = this.pendingBytes;
    if (this.#pendingEnd + count > this.#pending.length) {
      const wanted = held + count;
      const fits = wanted <= this.#pending.length >> 1;
      const steps = Math.ceil(wanted * (held === 0 ? 1 : 1.5) / PENDING_STEP_BYTES);
      const room = fits
        ? this.#pending
        : spare.takeToHold(wanted) ?? new Uint8Array(steps * PENDING_STEP_BYTES);
      room.set(this.#pending.subarray(this.#pendingStart, this.#pendingEnd));
      if (!fits) spare.give(this.#pending);
      this.#pending = room;
      this.#pendingStart = 0;
      this.#pendingEnd = held;
    }
    this.#pending.set(from === 0 ? bytes : bytes.subarray(from), this.#pendingEnd);
    this.#pendingEnd += count;
  }

  /** The next `count` pending bytes, which are pending no longer; valid until the next call of `keep` or `giveUp`. */
  release(count: number): Uint8Array {
    const bytes = this.#pending.subarray(this.#pendingStart, this.#pendingStart + count);
    this.#pendingStart += count;
    return bytes;
  }

  /** Lets go of the memory when nothing is pending. */
  giveUp(spare: SpareMemory): void {
    if (this.pendingBytes > 0) return;
    spare.give(this.#pending);
    this.#pending = NOTHING;
    this.#pendingStart = this.#pendingEnd = 0;
  }
}
