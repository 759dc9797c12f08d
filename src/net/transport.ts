/**
 * The shape of a byte stream under an HTTP connection, whatever socket carries it: writes whole outputs, feeds
 * what arrives, and says when it can take more.
 *
 * @module
 */

/** What a transport tells its owner. No call may throw. */
export interface TransportHandler {
  /** Bytes have arrived; a view that is valid during the call. */
  received(bytes: Uint8Array): void;
  /** The peer has finished sending in good order (FIN, and close_notify where there is TLS). */
  receivedEnd(): void;
  /** What was given to `write` has gone to the kernel: `isReady` is true again. */
  written(): void;
  /** The connection is gone, both ways; the last call. `broken`: by a RST, a timeout or a cut TLS stream. */
  disconnected(broken: boolean): void;
}

/** A connected byte stream. Nothing is read before `start`. */
export interface Transport {
  /** Whether `write` may be called. */
  readonly isReady: boolean;
  /** Bytes given to `write` that haven't gone to the kernel. */
  readonly unwrittenBytes: number;
  /** Begins to read. */
  start(): void;
  /** Sends bytes, which belong to the transport from now on. */
  write(bytes: Uint8Array): void;
  /** Stops reading; one read that is under way may still arrive. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** FIN after what was written; reading goes on. */
  endWrite(): void;
  /** FIN after what was written (which has 30 s), a lingering close, and then the end. `received` is not called any more. */
  finish(): void;
  /** Ends it now, with a RST where the system allows. */
  reset(): void;
}

/** How long the last bytes may take to leave before a lingering close: a client may be slow, or not read at all. */
export const UNSENT_MS = 30_000;
/** How long a lingering close waits for the peer's end, and how much it reads over. */
export const LINGER_MS = 1_000;
/** See {@linkcode LINGER_MS}. */
export const LINGER_BYTES = 65_536;
