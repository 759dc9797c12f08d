/**
 * A transport on a `node:tls` socket that has finished its handshake, which moves its bytes past the socket's streams:
 * straight to and from the handle under it. The streams cost as much for each read and write as the TLS itself.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import { SocketTransport, type SocketTransportOptions } from "./socket_transport.ts";
import {
  bytesOrError,
  readInStretches,
  type TlsHandle,
  tlsHandleOf,
  type WriteRequest,
} from "./tls_handle.ts";
import type { TransportHandler } from "./transport.ts";

/** What the TLS library encrypts at once; more would be copied over and over until it has gone. */
const WRITE_BYTES_MAX = 49_152;

/** What one read brings at most; what the runtime itself reads at once. */
const READ_BYTES = 65_536;

/** What all connections of a process read with: every read is over before the next begins. */
interface Buffers {
  readonly plain: Uint8Array;
  readonly cipher: Uint8Array;
}

let buffers: Buffers | undefined;

/** A TLS connection. Its socket keeps what is rare: the end of either side, errors, closing. */
export class TlsTransport extends SocketTransport {
  readonly #handle: TlsHandle;
  readonly #request: WriteRequest = { oncomplete: (status) => this.#wrote(status) };
  /** The TCP handle brings what is read, until its end. */
  #isReading = false;
  #isWriting = false;
  /** What waits for its turn. */
  #unwritten: Uint8Array | undefined;
  #unwrittenBytes = 0;

  /** Reads nothing yet. @param socket owned from now on @param handler gets all that happens @param options how it is ended */
  constructor(socket: TLSSocket, handler: TransportHandler, options: SocketTransportOptions) {
    super(socket, handler, options);
    this.#handle = tlsHandleOf(socket);
  }

  /** Whether the write before this one has ended. */
  override get isReady(): boolean {
    return !this.#isWriting && !this.isOver;
  }

  /** Bytes of the write that is under way. */
  override get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Writes all, while nothing else is being written. */
  override write(bytes: Uint8Array): void {
    if (this.isOver || this.isEnding) return;
    this.#isWriting = true;
    this.#unwrittenBytes = bytes.length;
    this.#send(bytes);
  }

  /** Takes what comes from the handle itself, past the stream. */
  protected override read(): void {
    const { plain, cipher } = buffers ??= {
      plain: new Uint8Array(READ_BYTES),
      cipher: new Uint8Array(READ_BYTES),
    };
    const { socket } = this;
    const handle = this.#handle;
    const tcp = handle._nativeTcpHandle;
    const [onread, onTcpRead] = [handle.onread, tcp.onread];
    // What came with the end of the handshake went into the stream.
    for (let bytes; !socket.destroyed && (bytes = socket.read() as Uint8Array | null) !== null;) {
      this.took(bytes);
    }
    if (socket.destroyed) return;
    handle.useUserBuffer(plain);
    tcp.useUserBuffer(cipher);
    handle.onread = () => {
      const count = bytesOrError();
      if (count <= 0) onread.call(handle);
      else if (!socket.destroyed) this.took(plain.subarray(0, count));
    };
    socket.resume();
    this.#isReading = true;
    readInStretches(socket, (count) => {
      if (count > 0) return handle.receive(cipher.subarray(0, count));
      this.#isReading = false;
      onTcpRead.call(tcp);
    }, () => this.isPaused);
    handle.readStart();
  }

  /** Past the stream, which always flows: to stop it while a start of it brings bytes would have no effect. */
  protected override stopReading(): void {
    if (this.#isReading && !this.socket.destroyed) this.#handle._nativeTcpHandle.readStop();
  }

  /** The opposite. */
  protected override readOn(): void {
    if (this.#isReading && !this.socket.destroyed) this.#handle._nativeTcpHandle.readStart();
  }

  /** The end of TLS overtakes what waits for its turn, so it has to wait as well. */
  protected override end(): void {
    if (!this.#isWriting) super.end();
  }

  #send(bytes: Uint8Array): void {
    if (this.socket.destroyed) return;
    const isCut = bytes.length > WRITE_BYTES_MAX;
    this.#unwritten = isCut ? bytes.subarray(WRITE_BYTES_MAX) : undefined;
    const status = this.#handle.writeBuffer(
      this.#request,
      isCut ? bytes.subarray(0, WRITE_BYTES_MAX) : bytes,
    );
    if (status !== 0) this.broke();
  }

  #wrote(status: number): void {
    if (this.isOver || this.socket.destroyed) return;
    if (status < 0) return this.broke();
    this.#unwrittenBytes = this.#unwritten?.length ?? 0;
    if (this.#unwritten !== undefined) return this.#send(this.#unwritten);
    this.#isWriting = false;
    if (this.isEnding) super.end();
    else this.handler.written();
  }
}
