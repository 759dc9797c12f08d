/**
 * What layer 7 needs of its worker, and what proxy hands over with one connection.
 *
 * @module
 */

import type { SecureContext } from "node:tls";
import type { BackendAuthorities } from "../net/certificates.ts";
import type { Deadlines } from "../net/deadlines.ts";
import type { Resetter } from "../net/reset.ts";
import type { Column } from "../observe/column.ts";
import type { RequestEvent } from "../observe/events.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import type { Reason } from "../reasons.ts";
import type { Endpoint, Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { ClientHello } from "../wire/client_hello.ts";

/** One worker as layer 7 sees it. */
export interface HttpPlane {
  /** The state that requests are decided by. */
  readonly state: RuntimeState;
  /** This worker's part of the shared memory. */
  readonly column: Column;
  /** All deadlines of this worker. */
  readonly deadlines: Deadlines;
  /** Ends connections with RST. */
  readonly resetter: Resetter;
  /** Where request events go. */
  readonly events: { add(event: RequestEvent): void };
  /** Whether requests are told as events; counted they are always. */
  readonly tellsRequests: boolean;
  /** Connections to backends that this worker's descriptors allow, besides its clients. */
  readonly connectionsMax: number;
  /** The route's slot in the shared memory. */
  routeSlot(routeId: number): number;
  /** The context of the route's certificate, the same object while it is the same certificate; absent = unusable. */
  secureContext(routeId: number): SecureContext | undefined;
  /** What the route's backend is verified by; absent = it can't be. */
  backendAuthorities(routeId: number): BackendAuthorities | undefined;
  /** Whether a dialled connection has come out at one of this program's own listeners. */
  isOwnListener(backend: Deno.TcpConn): boolean;
  /** Logs an error that nobody expected. */
  reportDefect(error: unknown): void;
}

/** What layer 7 does for a connection that proxy wants to end. */
export interface Termination {
  /** The connection was ended from outside: what layer 7 holds of it goes at once. */
  abort(): void;
  /** Takes no new requests, ends after those that are open. @param reason why the connection ends when it is done so */
  drain(reason: Reason): void;
}

/** One accepted connection that is to be terminated. */
export interface ConnectionContext {
  /** Unique over all workers and restarts. */
  readonly id: string;
  /** Who accepted it. */
  readonly listenerId: number;
  /** Stays open, unread and referenced while layer 7 works on a copy of its descriptor; proxy closes it. */
  readonly socket: Deno.TcpConn;
  /** Canonical; the declared one behind a trusted PROXY header. */
  readonly client: IpAddress;
  /** The port that belongs to `client`. */
  readonly clientPort: number;
  /** Where the client connected to. */
  readonly destination: Endpoint;
  /** The ClientHello that was read. */
  readonly hello: ClientHello | undefined;
  /** The route that the server name chose. */
  readonly route: Route | undefined;
  /** Set when the connection was ended from outside. */
  readonly endedBy: Reason | undefined;
  /** What HTTP reads and writes inside TLS, on top of the ClientHello. */
  bytesReceived: number;
  /** See `bytesReceived`. */
  bytesSent: number;
  /** Of the handshake, in ms. */
  tlsMs: number | undefined;
  /** Set by layer 7. */
  termination: Termination | undefined;
  /**
   * Ends the connection at once; the first reason stands.
   *
   * @param isCut with RST, whatever the reason; default: as the reason says
   */
  end(reason: Reason, isCut?: boolean): void;
}
