/**
 * A transport on a socket of `node:net`, or on one of `node:tls` that has finished its handshake.
 *
 * @module
 */

import type { Socket } from "node:net";
import { Deadline, type Deadlines } from "./deadlines.ts";
import { LINGER_BYTES, LINGER_MS, type Transport, type TransportHandler, UNSENT_MS } from "./transport.ts";

/** Bytes given to the socket and not yet gone, at which it can't take more. */
const UNWRITTEN_BYTES_MAX = 65_536;

/** How such a transport is ended. */
export interface SocketTransportOptions {
  /** Bounds the lingering close. */
  readonly deadlines: Deadlines;
  /** Sends a RST on the connection under the socket. */
  readonly reset: () => void;
  /** Whether the peer has reset that connection, which TLS tells like an end. Default: it hasn't. */
  readonly isDead?: () => boolean;
}

/** A connection. Owns the socket; every error of it ends here. */
export class SocketTransport implements Transport {
  /** The socket. */
  protected readonly socket: Socket;
  /** Who is told. */
  protected readonly handler: TransportHandler;
  /** Our FIN was asked for: nothing more is written. */
  protected isEnding = false;
  /** Nothing is left of the connection. */
  protected isOver = false;
  /** Nothing more is to be read. */
  protected isPaused = false;
  readonly #options: SocketTransportOptions;
  #unwritten = 0;
  #isLingering = false;
  #lingered = 0;
  #isBroken = false;
  #linger: Deadline | undefined;

  /** Reads nothing yet. @param socket owned from now on @param handler gets all that happens @param options how it is ended */
  constructor(socket: Socket, handler: TransportHandler, options: SocketTransportOptions) {
    this.socket = socket;
    this.handler = handler;
    this.#options = options;
    socket.allowHalfOpen = true;
    socket.on("error", () => this.broke());
    socket.on("close", () => this.#closed());
  }

  get isReady(): boolean {
    return this.#unwritten < UNWRITTEN_BYTES_MAX && !this.isOver;
  }

  get unwrittenBytes(): number {
    return this.#unwritten;
  }

  start(): void {
    this.socket.on("end", () => this.#ended());
    this.read();
  }

  write(bytes: Uint8Array): void {
    if (this.isOver || this.isEnding) return;
    const { length } = bytes;
    this.#unwritten += length;
    this.socket.write(bytes, () => {
      this.#unwritten -= length;
      if (!this.isOver && !this.isEnding) this.handler.written();
    });
  }

  pause(): void {
    if (this.isPaused || this.isOver) return;
    this.isPaused = true;
    this.stopReading();
  }

  resume(): void {
    if (!this.isPaused || this.isOver) return;
    this.isPaused = false;
    this.readOn();
  }

  endWrite(): void {
    if (this.isOver || this.isEnding) return;
    this.isEnding = true;
    this.end();
  }

  finish(): void {
    if (this.isOver || this.#isLingering) return;
    this.#isLingering = true;
    this.#linger = new Deadline(() => this.socket.destroy());
    this.#options.deadlines.set(this.#linger, this.unwrittenBytes > 0 ? UNSENT_MS : LINGER_MS);
    this.endWrite();
    this.resume();
    this.#endIfDone();
  }

  reset(): void {
    if (this.isOver) return;
    this.#options.reset();
    this.socket.destroy();
  }

  /** Begins to read. */
  protected read(): void {
    this.socket.on("data", (bytes: Uint8Array) => this.took(bytes));
  }

  /** Takes no more of what comes. */
  protected stopReading(): void {
    this.socket.pause();
  }

  /** The opposite. */
  protected readOn(): void {
    this.socket.resume();
  }

  /** Sends the end behind all that was written. */
  protected end(): void {
    this.socket.end(() => {
      if (this.#linger !== undefined && !this.isOver) this.#options.deadlines.set(this.#linger, LINGER_MS);
      this.#endIfDone();
    });
  }

  /** Bytes have come. */
  protected took(bytes: Uint8Array): void {
    if (!this.#isLingering) {
      if (!this.isOver) this.handler.received(bytes);
      return;
    }
    this.#lingered += bytes.length;
    if (this.#lingered > LINGER_BYTES) this.socket.destroy();
  }

  /** It can't be used any more. */
  protected broke(): void {
    this.#isBroken = true;
    this.socket.destroy();
  }

  #ended(): void {
    if (this.isOver) return;
    // Once our own FIN has left, a connection that ended in good order is as dead.
    if (!this.isEnding && this.#options.isDead?.() === true) return this.broke();
    if (!this.#isLingering) this.handler.receivedEnd();
    this.#endIfDone();
  }

  /** Nothing is left to wait for when both sides have finished. */
  #endIfDone(): void {
    const { writableFinished, readableEnded } = this.socket;
    if (this.#isLingering && writableFinished && readableEnded) this.socket.destroy();
  }

  #closed(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.#linger !== undefined) this.#options.deadlines.clear(this.#linger);
    this.handler.disconnected(this.#isBroken);
  }
}
