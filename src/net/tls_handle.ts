/**
 * The private handles under a `node:tls` socket, and reading from them in stretches. `tests/net/transports_io_test.ts` tells
 * whether a new version of the runtime still has them as they are described here.
 *
 * @module
 */

import type { Socket } from "node:net";
import process from "node:process";

/** The stream handle under a socket, as `node:net` uses it (Node's `StreamBase`); a call gives 0 or an error's number. */
export interface StreamHandle {
  /** Is looked up by `readStart`. What it is about is {@linkcode bytesOrError}. `bytes`: absent where they are put elsewhere. */
  onread(this: StreamHandle, bytes?: ArrayBuffer): void;
  /** Begins to read, and goes on within one turn of the event loop until the socket is empty. */
  readStart(): number;
  /** Ends that, at once. */
  readStop(): number;
  /** Bytes are put there from now on, and not into an ArrayBuffer each, whose memory makes V8 collect all the time. */
  useUserBuffer(buffer: Uint8Array): void;
}

/** What becomes of one write. */
export interface WriteRequest {
  /** `status` below zero is an error. */
  readonly oncomplete: (status: number) => void;
}

/** The handle of TLS. */
export interface TlsHandle extends StreamHandle {
  /** The TCP connection, whose `onread` calls `receive`. Stopping TLS doesn't stop it: all that comes is kept, decrypted. */
  readonly _nativeTcpHandle: StreamHandle;
  /** Decrypts, and calls `onread`. */
  receive(bytes: Uint8Array): void;
  /** Has encrypted the bytes when it returns, and calls `oncomplete` once they are the kernel's. One at a time. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

/** The handle under a socket of `node:tls` that isn't destroyed. */
export function tlsHandleOf(socket: Socket): TlsHandle {
  return (socket as unknown as { readonly _handle: TlsHandle })._handle;
}

/** Where the runtime tells what an `onread` is about. */
interface StreamState {
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
}

let state: StreamState | undefined;

/** What the last `onread` was about: how many bytes, or below zero the end or an error. */
export function bytesOrError(): number {
  const { binding } = process as unknown as { binding(name: string): unknown };
  const { streamBaseState, kReadBytesOrError } = state ??= binding("stream_wrap") as StreamState;
  return streamBaseState[kReadBytesOrError]!;
}

/** How long a connection is read at a stretch. */
const STRETCH_MS = 10;
/** What lies between two reads of one stretch at most. */
const GAP_MS = 0.2;
/** The rest after it. An immediate would not do: the runtime looks at other sockets once in 61 turns that end with one. */
const REST_MS = 1;

/**
 * Reads the TCP connection under TLS, and rests a moment when that has taken long without a break. Else whoever sends
 * faster than we decrypt (in records of one byte that is 1 MB/s of content) would hold the process for as long as he
 * likes, and nobody could stop what is read and kept meanwhile.
 *
 * @param take is called for every read, with {@linkcode bytesOrError}
 * @param isPaused whether nothing is to be read when the rest is over. Default: never
 */
export function readInStretches(
  socket: Socket,
  take: (count: number, bytes?: ArrayBuffer) => void,
  isPaused: () => boolean = () => false,
): void {
  const tcp = tlsHandleOf(socket)._nativeTcpHandle;
  let startedMs = 0;
  let lastMs = 0;
  const proceed = (): void => {
    if (tcp.onread === onread && !socket.destroyed && !isPaused()) tcp.readStart();
  };
  const onread = (bytes?: ArrayBuffer): void => {
    const nowMs = performance.now();
    if (nowMs - lastMs > GAP_MS) startedMs = nowMs;
    take(bytesOrError(), bytes);
    lastMs = performance.now();
    if (lastMs - startedMs < STRETCH_MS || socket.destroyed) return;
    tcp.readStop();
    setTimeout(proceed, REST_MS);
  };
  tcp.onread = onread;
  tcp.readStop();
  if (!isPaused()) tcp.readStart();
}

/** Lets a handshake read {@linkcode readInStretches in stretches}, and what comes with its end, until something else does. */
export function shakeInStretches(socket: Socket): void {
  const tcp = tlsHandleOf(socket)._nativeTcpHandle;
  const { onread } = tcp;
  readInStretches(socket, (_count, bytes) => onread.call(tcp, bytes));
}
