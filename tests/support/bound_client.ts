/**
 * A client that comes from an address of its choice: all of 127.0.0.0/8 is this machine's.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import net from "node:net";

/** All that a client saw. */
export interface Sighting {
  /** Bytes that came, whatever they were. */
  readonly bytes: Uint8Array;
  /** `FIN`, or the code of the error that came instead: ECONNRESET for a RST. */
  readonly end: string;
}

/** Every wait ends after this long. */
const TIMEOUT_MS = 15_000;

/**
 * Connects to `host:port` (IPv4) from `localAddress`, sends `request` and its FIN (absent: neither), and reads to the
 * end.
 */
export function exchangeFrom(localAddress: string, addr: string, request?: Uint8Array): Promise<Sighting> {
  const [host, port] = addr.split(":");
  const socket = net.connect({ host: host!, port: Number(port), localAddress, allowHalfOpen: true });
  const chunks: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new DOMException(`no end in ${TIMEOUT_MS} ms`, "TimeoutError"));
    }, TIMEOUT_MS);
    const finish = (end: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes: new Uint8Array(Buffer.concat(chunks)), end });
    };
    socket.on("connect", () => request !== undefined && socket.end(request));
    socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    socket.on("end", () => finish("FIN"));
    socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  });
}
