/**
 * A transport on the runtime's own connections, clear or TLS: the cheapest way to a backend.
 *
 * @module
 */

import { Deadline, type Deadlines } from "./deadlines.ts";
import { closeQuietly, type Resetter } from "./reset.ts";
import { LINGER_BYTES, LINGER_MS, type Transport, type TransportHandler, UNSENT_MS } from "./transport.ts";

/** A read that waits holds its buffer; it grows while reads fill it. */
const READ_BYTES_MIN = 4_096;
/** See {@linkcode READ_BYTES_MIN}. */
export const READ_BYTES_MAX = 65_536;
/** Buffers of that size in which no read waits: a new one is cleared, and makes V8 collect all the sooner. */
const SPARE_BUFFERS: Uint8Array<ArrayBuffer>[] = [];
const SPARE_BUFFERS_MAX = 16;

/** What a connection is ended with. */
export interface ConnTools {
  /** Bounds the lingering close. */
  readonly deadlines: Deadlines;
  /** Ends connections with RST. */
  readonly resetter: Resetter;
}

/** A connection that was dialled or accepted. Owns it. */
export class ConnTransport implements Transport {
  isReady = true;
  /** Largest read from the next one on; what one read may still bring after `pause`. */
  readBytesMax: number = READ_BYTES_MAX;
  readonly #conn: Deno.TcpConn;
  readonly #handler: TransportHandler;
  readonly #tools: ConnTools;
  #unwritten: Uint8Array | undefined;
  #isPaused = false;
  #isStarted = false;
  /** FIN is to follow what is being written. */
  #isEnding = false;
  #isEnded = false;
  #isLingering = false;
  #isReadEnded = false;
  #lingered = 0;
  /** Nothing can be written any more; what the peer sent before is still read. */
  #isDeaf = false;
  #isOver = false;
  #wake: (() => void) | undefined;
  #linger: Deadline | undefined;
  readonly #onWritten = (count: number): void => this.#wrote(count);
  readonly #onWriteError = (): void => this.#writeFailed();

  /** Reads nothing yet. @param conn owned from now on @param handler gets all that happens @param tools how it is ended */
  constructor(conn: Deno.TcpConn, handler: TransportHandler, tools: ConnTools) {
    this.#conn = conn;
    this.#handler = handler;
    this.#tools = tools;
  }

  get unwrittenBytes(): number {
    return this.#unwritten?.length ?? 0;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    void this.#read();
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isEnding) return;
    this.isReady = false;
    this.#unwritten = bytes;
    this.#conn.write(bytes).then(this.#onWritten, this.#onWriteError);
  }

  pause(): void {
    if (this.#isDeaf) return this.#disconnect(true);
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake?.();
  }

  endWrite(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    if (this.isReady) this.#sendEnd();
  }

  finish(): void {
    if (this.#isOver || this.#isLingering) return;
    if (this.#isDeaf) return this.#disconnect(true);
    this.#isLingering = true;
    this.#linger = new Deadline(() => this.#disconnect(false));
    this.#tools.deadlines.set(this.#linger, this.isReady ? LINGER_MS : UNSENT_MS);
    this.endWrite();
    this.resume();
    if (!this.#isStarted) this.start();
    this.#endIfDone();
  }

  reset(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#clear();
    this.#tools.resetter.reset(this.#conn);
    this.#handler.disconnected(false);
  }

  /** Ends it now, with FIN: for a connection on which nothing is under way. Its descriptor is free when this returns. */
  close(): void {
    this.#disconnect(false);
  }

  #wrote(count: number): void {
    const bytes = this.#unwritten;
    if (bytes === undefined || this.#isOver) return;
    if (count < bytes.length) {
      this.#unwritten = bytes.subarray(count);
      this.#conn.write(this.#unwritten).then(this.#onWritten, this.#onWriteError);
      return;
    }
    this.#unwritten = undefined;
    this.isReady = true;
    if (this.#isEnding) this.#sendEnd();
    else this.#handler.written();
  }

  /**
   * Who answers before he has read all, and closes, resets the connection: his answer came first and waits to be read.
   * Behind it a read fails or ends at once.
   */
  #writeFailed(): void {
    if (this.#isOver) return;
    if (this.#isPaused || this.#isLingering || this.#isReadEnded || !this.#isStarted) {
      return this.#disconnect(true);
    }
    this.#isDeaf = true;
    this.#unwritten = undefined;
    this.#linger = new Deadline(() => this.#disconnect(true));
    this.#tools.deadlines.set(this.#linger, LINGER_MS);
  }

  #sendEnd(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#linger !== undefined) this.#tools.deadlines.set(this.#linger, LINGER_MS);
    this.#conn.closeWrite().then(() => this.#endIfDone(), () => this.#disconnect(true));
  }

  async #read(): Promise<void> {
    let buffer = new Uint8Array(READ_BYTES_MIN);
    try {
      for (;;) {
        if (this.#isPaused) await this.#resumed();
        const count = await this.#conn.read(buffer);
        if (this.#isOver) return;
        if (count === null) break;
        if (this.#isLingering) this.#readOver(count);
        else this.#handler.received(count === buffer.length ? buffer : buffer.subarray(0, count));
        const size = fittedSize(buffer.length, count, this.readBytesMax);
        if (size !== buffer.length) buffer = exchanged(buffer, size);
      }
    } catch {
      return this.#disconnect(true);
    }
    this.#isReadEnded = true;
    // The failed write has taken the error that a read would have met.
    if (this.#isDeaf) return this.#disconnect(true);
    if (!this.#isLingering) this.#handler.receivedEnd();
    this.#endIfDone();
  }

  /** Nothing is left to wait for when both sides have finished. */
  #endIfDone(): void {
    if (this.#isLingering && this.#isEnded && this.#isReadEnded) this.#disconnect(false);
  }

  #resumed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #readOver(count: number): void {
    this.#lingered += count;
    if (this.#lingered > LINGER_BYTES) this.#disconnect(false);
  }

  #disconnect(broken: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#clear();
    closeQuietly(this.#conn);
    this.#handler.disconnected(broken);
  }

  #clear(): void {
    if (this.#linger !== undefined) this.#tools.deadlines.clear(this.#linger);
    this.#wake?.();
  }
}

/** Size of the next read's buffer: larger while reads fill it, small again when they come small. */
function fittedSize(size: number, count: number, max: number): number {
  if (count === size) return Math.min(size * 4, max);
  if (size > READ_BYTES_MIN && count * 16 < size) return READ_BYTES_MIN;
  return Math.min(size, max);
}

/** A buffer of another size for one that was read out. */
function exchanged(buffer: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  if (buffer.length === READ_BYTES_MAX && SPARE_BUFFERS.length < SPARE_BUFFERS_MAX) {
    SPARE_BUFFERS.push(buffer);
  }
  return (size === READ_BYTES_MAX ? SPARE_BUFFERS.pop() : undefined) ?? new Uint8Array(size);
}
