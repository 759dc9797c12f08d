/**
 * The TLS handshakes of the admin API that are under way. Strangers can fill their places, but keep nobody out for long:
 * the oldest makes room.
 *
 * @module
 */

import type { Socket } from "node:net";
import { Deadline, type Deadlines } from "../net/deadlines.ts";
import { HANDSHAKE_MS, HANDSHAKES_MAX } from "./call_limits.ts";
import type { AdminTls, HandshakeHandler } from "./tls.ts";

/** All of a server. */
export class Handshakes {
  readonly #deadlines: Deadlines;
  /** Oldest first. */
  readonly #sockets = new Set<Socket>();

  /** None is under way. @param deadlines bounds each */
  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** Begins one on an accepted socket, and ends it when it is late. @param handler is told of its end, once */
  begin(tls: AdminTls, socket: Socket, { onSecure, onFailed }: HandshakeHandler): void {
    const [oldest] = this.#sockets;
    if (oldest !== undefined && this.#sockets.size >= HANDSHAKES_MAX) {
      // Its `close` comes when all that wait have been accepted, so it would be the oldest for all of them.
      this.#sockets.delete(oldest);
      oldest.destroy();
    }
    this.#sockets.add(socket);
    const deadline = new Deadline(() => socket.destroy());
    this.#deadlines.set(deadline, HANDSHAKE_MS);
    const end = (): void => {
      this.#sockets.delete(socket);
      this.#deadlines.clear(deadline);
    };
    tls.accept(socket, {
      onSecure: (secure) => {
        end();
        onSecure(secure);
      },
      onFailed: (detail) => {
        end();
        onFailed(detail);
      },
    });
  }
}
