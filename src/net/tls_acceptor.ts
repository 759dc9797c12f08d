/**
 * Terminates TLS on an accepted connection whose first bytes were read already. Its descriptor is copied and lent to
 * `node:net`, on whose sockets `node:tls` is fastest; the connection itself stays open and unread meanwhile.
 *
 * @module
 */

import net from "node:net";
import tls, { type SecureContext, type TLSSocket } from "node:tls";
import { HTTP_PROTOCOLS } from "../wire/http_handler.ts";
import { descriptorOf, duplicateDescriptor } from "./native.ts";
import { shakeInStretches } from "./tls_handle.ts";

/** How a handshake ended. */
export type TlsOutcome =
  /** The socket stands when this is told. */
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

/**
 * Begins a handshake. Nothing bounds its time: the caller ends it when it is late.
 *
 * The socket is made by itself and not by a `tls.Server`, whose handshake timer outlives a handshake that failed and
 * holds all of it (19 KiB) until its time has come. Every error of both sockets is listened to.
 *
 * @param secureContext the certificate; the same object for every connection with it, so that tickets are good for all
 * @param conn stays open and unread until `released`
 * @param peeked what was read of it already
 * @returns absent = no descriptor is free
 */
export function acceptTls(
  secureContext: SecureContext,
  conn: Deno.TcpConn,
  peeked: Uint8Array,
): Accepting | undefined {
  const descriptor = descriptorOf(conn);
  const fd = descriptor === undefined ? undefined : duplicateDescriptor(descriptor);
  if (fd === undefined) return undefined;
  const outcome = Promise.withResolvers<TlsOutcome>();
  const released = Promise.withResolvers<void>();
  const raw = new net.Socket({ fd });
  let isIncompatible = false;
  raw.on("close", () => {
    outcome.resolve({ kind: "failed", isIncompatible });
    released.resolve();
  });
  raw.on("error", () => raw.destroy());
  raw.unshift(peeked.slice());
  const socket = new tls.TLSSocket(raw, {
    isServer: true,
    secureContext,
    ALPNProtocols: [...HTTP_PROTOCOLS],
  });
  shakeInStretches(socket);
  const fail = (error?: Error): void => {
    if (error?.message.startsWith("peer is incompatible") === true) isIncompatible = true;
    socket.destroy();
    raw.destroy();
  };
  socket.on("error", fail);
  socket.on("_tlsError", fail);
  socket.on("close", () => raw.destroy());
  socket.on("secure", () => outcome.resolve({ kind: "secure", socket }));
  // What broke the connection may have been read before anyone could be told that it was secure.
  const standing = (told: TlsOutcome): TlsOutcome =>
    socket.destroyed || raw.destroyed ? { kind: "failed", isIncompatible } : told;
  return { outcome: outcome.promise.then(standing), released: released.promise, destroy: () => fail() };
}
