/**
 * Looking at a worker's open connections, and ending some of them.
 *
 * @module
 */

import { type Cidr, contains, parseAddressOrCidr } from "../policy/cidr.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import type { Reason } from "../reasons.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint, Route } from "../state/model.ts";

/** Which connections are meant; every condition that is there must hold. */
export interface ConnectionFilter {
  /** The listener's id is one of these. */
  readonly listenerIds?: readonly number[];
  /** The route's id is one of these. */
  readonly routeIds?: readonly number[];
  /** The route's hostname. */
  readonly hostname?: string;
  /** The client's address or range, canonical. */
  readonly client?: string;
  /** ISO code. */
  readonly country?: string;
  /** The firewall would block the client now, were it to come again. */
  readonly isBlocked?: true;
  /** Accepted at this Unix time in ms or before. */
  readonly acceptedBeforeMs?: number;
  /** Exactly these. */
  readonly ids?: readonly string[];
}

/** An open connection as a worker tells of it. */
export interface OpenConnection {
  /** Unique over all workers and restarts. */
  readonly id: string;
  /** The listener's address. */
  readonly listener: string;
  /** The client's address and port. */
  readonly client: string;
  /** ISO code; absent = not known. */
  readonly country?: string;
  /** Absent = none was read. */
  readonly sni?: string;
  /** Hostname of the route; absent = none yet. */
  readonly route?: string;
  /** Absent = none yet. */
  readonly backend?: string;
  /** Unix ms. */
  readonly acceptedMs: number;
  /** Bytes read from the client. */
  readonly bytesReceived: number;
  /** Bytes written to the client. */
  readonly bytesSent: number;
}

/** What a query needs to know of a connection. */
export interface QueriedConnection {
  /** See {@linkcode OpenConnection}. */
  readonly id: string;
  /** The listener's id. */
  readonly listenerId: number;
  /** The listener's address. */
  readonly listenerName: string;
  /** The client's address. */
  readonly client: IpAddress;
  /** The client's port. */
  readonly clientPort: number;
  /** The name in the hello. */
  readonly serverName: string | undefined;
  /** Absent = none yet. */
  readonly route: Route | undefined;
  /** Absent = none yet. */
  readonly backendAddress: Endpoint | undefined;
  /** Unix time of the accept in ms. */
  readonly nowMs: number;
  /** See {@linkcode OpenConnection}. */
  readonly bytesReceived: number;
  /** See {@linkcode OpenConnection}. */
  readonly bytesSent: number;
  /** The HTTP on it, which takes no new requests once it is drained; absent = layer 4. */
  readonly termination?: { drain(reason: Reason): void } | undefined;
  /** ISO code of an address. */
  country(address: IpAddress): string | undefined;
  /** Ends it; the first reason stands. */
  end(reason: Reason): void;
}

/** Whether the firewall blocks a client now. */
export type IsBlocked = (client: IpAddress) => boolean;

/** A filter made ready to be asked often. */
export function matcher(
  filter: ConnectionFilter,
  isBlocked: IsBlocked,
): (connection: QueriedConnection) => boolean {
  const range: Cidr | undefined = filter.client === undefined ? undefined : parseAddressOrCidr(filter.client);
  const [ids, listenerIds, routeIds] = [setOf(filter.ids), setOf(filter.listenerIds), setOf(filter.routeIds)];
  return (connection) =>
    (listenerIds === undefined || listenerIds.has(connection.listenerId)) &&
    (routeIds === undefined || (connection.route !== undefined && routeIds.has(connection.route.id))) &&
    (filter.hostname === undefined || connection.route?.hostname === filter.hostname) &&
    (filter.client === undefined || (range !== undefined && contains(range, connection.client))) &&
    (filter.acceptedBeforeMs === undefined || connection.nowMs <= filter.acceptedBeforeMs) &&
    (ids === undefined || ids.has(connection.id)) &&
    (filter.country === undefined || connection.country(connection.client) === filter.country) &&
    (filter.isBlocked === undefined || isBlocked(connection.client));
}

function setOf<Id>(ids: readonly Id[] | undefined): ReadonlySet<Id> | undefined {
  return ids === undefined ? undefined : new Set(ids);
}

/** Tells of a connection. */
export function openConnection(connection: QueriedConnection): OpenConnection {
  const { client, clientPort, route, serverName, backendAddress } = connection;
  const country = connection.country(client);
  return {
    id: connection.id,
    listener: connection.listenerName,
    client: formatEndpoint({ host: client.text, port: clientPort }),
    ...(country !== undefined && { country }),
    ...(serverName !== undefined && { sni: serverName }),
    ...(route !== undefined && { route: route.hostname }),
    ...(backendAddress !== undefined && { backend: formatEndpoint(backendAddress) }),
    acceptedMs: connection.nowMs,
    bytesReceived: connection.bytesReceived,
    bytesSent: connection.bytesSent,
  };
}

/** Whether a value is a well-formed account of a connection. */
export function isOpenConnection(value: unknown): value is OpenConnection {
  if (typeof value !== "object" || value === null) return false;
  const told = value as Partial<Record<keyof OpenConnection, unknown>>;
  const texts = [told.country, told.sni, told.route, told.backend].filter((text) => text !== undefined);
  return [told.id, told.listener, told.client, ...texts].every(isText) &&
    [told.acceptedMs, told.bytesReceived, told.bytesSent].every(isCount);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.length <= 1_024;
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && value >= 0;
}
