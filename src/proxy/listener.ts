/**
 * One listening socket of one worker: binding it, and accepting until it is closed.
 *
 * @module
 */

import { setInheritedOptions } from "../net/native.ts";
import { type AcceptErrorCode, acceptErrorCounter } from "../observe/counters.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Listener } from "../state/model.ts";
import { handleConnection } from "./connection.ts";
import type { DataPlane } from "./data_plane.ts";

/** The kernel caps it at net.core.somaxconn; what comes over it is lost for a second or more. */
const BACKLOG = 4_096;
const BACKOFF_MIN_MS = 5;
const BACKOFF_MAX_MS = 1_000;
/** Without a new connection for so long a queue counts as empty. */
const QUIET_MS = 20;
/** How long that is waited for. */
const QUIET_WAIT_MS = 1_000;

/** A listener that this worker has bound. */
export class BoundListener {
  /** The listener's id. */
  readonly id: number;
  /** Canonical address, as events name it. */
  readonly name: string;
  /** Its place in the shared memory. */
  readonly slot: number;
  /** IP address that it is bound to; `::` and `0.0.0.0` are wildcards. */
  readonly host: string;
  /** Port that it is bound to. */
  readonly port: number;
  /** Most connections open at once over all workers; 0 = no limit. Follows the active state. */
  maxConnections: number;
  readonly #socket: Deno.TcpListener;
  #isOpen = true;
  #accepting: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #accepted = 0;

  /**
   * Binds with reusePort, so that every worker can. Nothing is accepted yet.
   *
   * @throws what `Deno.listen` throws
   */
  constructor(listener: Listener, slot: number) {
    const { host, port } = listener.address;
    this.#socket = Deno.listen({ hostname: host, port, reusePort: true, tcpBacklog: BACKLOG });
    this.id = listener.id;
    this.name = formatEndpoint(listener.address);
    this.slot = slot;
    this.host = host;
    this.port = this.#socket.addr.port;
    this.maxConnections = listener.maxConnections;
    setInheritedOptions(this.port);
  }

  /** Accepts until `close`. One bad client or a lack of descriptors never ends it. */
  accept(plane: DataPlane): Promise<void> {
    return this.#accepting = this.#accept(plane);
  }

  async #accept(plane: DataPlane): Promise<void> {
    let backoffMs = BACKOFF_MIN_MS;
    while (this.#isOpen) {
      try {
        const socket = await this.#socket.accept();
        backoffMs = BACKOFF_MIN_MS;
        this.#accepted++;
        void handleConnection(plane, this, socket);
      } catch (error) {
        if (!this.#isOpen) return;
        const code = acceptErrorCode(error);
        plane.column.count(acceptErrorCounter(code));
        // The client reset while it waited in the queue (accept(2), ENOTCONN here): the next one may be fine.
        if (code === "aborted") continue;
        if (backoffMs === BACKOFF_MIN_MS) plane.reportAcceptError(this, code);
        await this.#pause(backoffMs);
        backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
      }
    }
  }

  /** Waits until nobody has come for a moment; where somebody always comes, for a second. */
  async quiet(): Promise<void> {
    const deadlineMs = performance.now() + QUIET_WAIT_MS;
    for (let before = -1; before !== this.#accepted && performance.now() < deadlineMs;) {
      before = this.#accepted;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
  }

  /**
   * Stops listening. Connections that were accepted go on.
   *
   * @returns settled when the address is free: while an accept waits, the runtime keeps the socket a moment longer
   */
  close(): Promise<void> {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#socket.close();
      this.#wake?.();
    }
    return this.#accepting;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function acceptErrorCode(error: unknown): AcceptErrorCode {
  if (error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionReset) {
    return "aborted";
  }
  if (error instanceof Deno.errors.ConnectionAborted) return "aborted";
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EMFILE" || code === "ENFILE") return "descriptors";
  return code === "ENOMEM" || code === "ENOBUFS" ? "memory" : "other";
}
