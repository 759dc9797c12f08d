/**
 * Terminates TLS on an accepted connection whose first bytes were read already. Its descriptor is copied and lent to
 * `node:net`, on whose sockets `node:tls` is fastest; the connection itself stays open and unread meanwhile.
 *
 * @module
 */

import net from "node:net";
import tls, { type SecureContext, type TLSSocket } from "node:tls";
import { descriptorOf, duplicateDescriptor } from "./native.ts";

/** In the order of preference. */
export const HTTP_PROTOCOLS: readonly string[] = ["h2", "http/1.1"];

/** How a handshake ended. */
export type TlsOutcome =
  | { readonly kind: "secure"; readonly socket: TLSSocket }
  /** Nothing is left of the socket. `isIncompatible`: not a byte was answered, since nothing fits what the hello offers. */
  | { readonly kind: "failed"; readonly isIncompatible: boolean };

/** A handshake that is under way. */
export interface Accepting {
  /** Never rejects. */
  readonly outcome: Promise<TlsOutcome>;
  /** Settles when the copy of the descriptor is closed. */
  readonly released: Promise<void>;
  /** Ends the socket at once. */
  destroy(): void;
}

/** One worker's TLS servers: one for each certificate, none of them listens. */
export class TlsAcceptor {
  readonly #servers = new WeakMap<SecureContext, tls.Server>();
  readonly #handshakes = new WeakMap<object, (outcome: TlsOutcome) => void>();

  /**
   * Begins a handshake.
   *
   * @param context the certificate; the same object for every connection with it
   * @param conn stays open and unread until `released`
   * @param peeked what was read of it already
   * @returns absent = no descriptor is free
   */
  accept(context: SecureContext, conn: Deno.TcpConn, peeked: Uint8Array): Accepting | undefined {
    const descriptor = descriptorOf(conn);
    const fd = descriptor === undefined ? undefined : duplicateDescriptor(descriptor);
    if (fd === undefined) return undefined;
    const raw = new net.Socket({ fd });
    const outcome = Promise.withResolvers<TlsOutcome>();
    const released = Promise.withResolvers<void>();
    let failure: TlsOutcome = { kind: "failed", isIncompatible: false };
    raw.on("error", () => raw.destroy());
    raw.on("close", () => {
      outcome.resolve(failure);
      released.resolve();
    });
    this.#handshakes.set(raw, (result) => {
      if (result.kind === "secure") outcome.resolve(result);
      else failure = result;
    });
    raw.unshift(peeked.slice());
    this.#server(context).emit("connection", raw);
    return { outcome: outcome.promise, released: released.promise, destroy: () => void raw.destroy() };
  }

  #server(context: SecureContext): tls.Server {
    const existing = this.#servers.get(context);
    if (existing !== undefined) return existing;
    const server = tls.createServer({ ALPNProtocols: [...HTTP_PROTOCOLS], minVersion: "TLSv1.2" });
    // The only way in this runtime to give a server a context that was made before: `secureContext` is ignored.
    Object.assign(server, { _sharedCreds: context });
    server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
      const isIncompatible = error.message.startsWith("peer is incompatible");
      this.#settle(socket, { kind: "failed", isIncompatible });
      socket.destroy();
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      this.#settle(socket, { kind: "secure", socket });
    });
    this.#servers.set(context, server);
    return server;
  }

  #settle(socket: TLSSocket, outcome: TlsOutcome): void {
    const parent: unknown = Reflect.get(socket, "_parent");
    if (typeof parent === "object" && parent !== null) this.#handshakes.get(parent)?.(outcome);
  }
}
