/**
 * What all connections of one worker share.
 *
 * @module
 */

import type { SecureContext } from "node:tls";
import type { BackendAuthorities } from "../net/certificates.ts";
import type { HttpPlane } from "../l7/http_plane.ts";
import type { HttpService } from "../l7/http_service.ts";
import type { Deadlines } from "../net/deadlines.ts";
import type { Resetter } from "../net/reset.ts";
import type { Column } from "../observe/column.ts";
import type { AcceptErrorCode } from "../observe/counters.ts";
import type { RateTable } from "../observe/rate_table.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import type { LimitMode } from "../state/settings.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { BlockSampler } from "./block_sampler.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { EventBatches } from "./event_batches.ts";
import type { Registry } from "./registry.ts";

/** One worker as its connections see it. */
export interface DataPlane extends HttpPlane {
  /** The state that new connections begin with. */
  readonly state: RuntimeState;
  /** This worker's part of the shared memory. */
  readonly column: Column;
  /** All deadlines of this worker. */
  readonly deadlines: Deadlines;
  /** Ends connections with RST. */
  readonly resetter: Resetter;
  /** Token buckets of all workers. */
  readonly rates: RateTable;
  /** Whether limits by address are enforced or only counted. */
  readonly limitMode: LimitMode;
  /** Chooses which blocked connections are told of. */
  readonly sampler: BlockSampler;
  /** Carries events to main. */
  readonly events: EventBatches;
  /** Open connections. Each adds and deletes itself. */
  readonly connections: Registry<ClientConnection>;
  /** Connections that this worker's descriptors allow it. */
  readonly connectionsMax: number;
  /** A new id, unique over all workers and restarts. */
  nextConnectionId(): string;
  /** ISO code of an address, or `undefined` when it isn't known. Never throws. */
  country(address: IpAddress): string | undefined;
  /** The route's slot in the shared memory. */
  routeSlot(routeId: number): number;
  /** The context of the route's certificate, the same object while it is the same certificate; absent = unusable. */
  secureContext(routeId: number): SecureContext | undefined;
  /** What the route's backend is verified by; absent = it can't be. */
  backendAuthorities(routeId: number): BackendAuthorities | undefined;
  /** Whether a dialled connection has come out at one of this program's own listeners. */
  isOwnListener(backend: Deno.TcpConn): boolean;
  /** Serves what is terminated here. */
  readonly http: HttpService;
  /** Logs that a listener can't accept; told once until it can again. */
  reportAcceptError(listener: { readonly name: string }, code: AcceptErrorCode): void;
  /** Logs an error that nobody expected. */
  reportDefect(error: unknown): void;
}
