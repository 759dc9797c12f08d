/**
 * Ends connections with a TCP RST. Closing one in this runtime always sends FIN first, which looks to the other
 * end like a whole stream.
 *
 * @module
 */

import { parseIpAddress } from "../policy/ip_address.ts";
import { connectionKey, descriptorOf, findConnections, resetSocket } from "./native.ts";

/** How long a dialled connection may wait for others to be looked up in the same pass. */
const GATHER_MS = 20;

/** Resets connections; one a process. */
export class Resetter {
  readonly #waiting = new Map<string, Deno.Conn>();
  readonly #onFallback: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #fellBack = false;

  /**
   * Nothing waits yet.
   *
   * @param onFallback called once, when a reset had to become a plain close
   */
  constructor(onFallback: () => void) {
    this.#onFallback = onFallback;
  }

  /**
   * Resets and closes a connection. An accepted one at once. The descriptor of a dialled one isn't told by the
   * runtime and has to be searched; those of {@linkcode GATHER_MS} share one search, so that a storm of resets
   * by clients costs no search each.
   */
  reset(conn: Deno.TcpConn): void {
    const fd = descriptorOf(conn);
    if (fd !== undefined) {
      if (!resetSocket(fd)) this.#fallBack();
      closeQuietly(conn);
      return;
    }
    const key = keyOf(conn);
    if (key === undefined || this.#waiting.has(key)) {
      this.#fallBack();
      closeQuietly(conn);
      return;
    }
    this.#waiting.set(key, conn);
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Resets now what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const descriptors = findConnections(this.#waiting);
    for (const [key, conn] of this.#waiting) {
      const fd = descriptors?.get(key);
      if (descriptors === undefined || (fd !== undefined && !resetSocket(fd))) this.#fallBack();
      closeQuietly(conn);
    }
    this.#waiting.clear();
  }

  #fallBack(): void {
    if (this.#fellBack) return;
    this.#fellBack = true;
    this.#onFallback();
  }
}

function keyOf(conn: Deno.TcpConn): string | undefined {
  const { localAddr, remoteAddr } = conn;
  const remote = parseIpAddress(remoteAddr.hostname);
  if (remote === undefined) return undefined;
  return connectionKey(localAddr.port, remoteAddr.port, remote.family === 4 ? remote.word0 : remote.word3);
}

/** Closes a connection that may be closed already. */
export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
