/**
 * What a route's backend is to a connection: where, in which protocol, verified by what.
 *
 * @module
 */

import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint, Route } from "../state/model.ts";
import type { HttpPlane } from "./http_plane.ts";

/** TLS towards a backend. */
export interface BackendTls {
  /** Sent and verified; a name or an IP address. */
  readonly serverName: string;
  /** PEM; absent = they can't be read, and nothing is trusted. */
  readonly certificates: readonly string[] | undefined;
}

/** A backend as connections see it. Connections with an equal key serve each other's requests. */
export interface BackendTarget {
  /** Names everything that makes two connections differ. */
  readonly key: string;
  /** Resolved anew for each connection. */
  readonly endpoint: Endpoint;
  /** What is spoken. */
  readonly version: "h2" | "http/1.1";
  /** Absent = in clear. */
  readonly tls?: BackendTls;
}

/** The backend of a route whose mode is `l7`. */
export function backendTarget(route: Route, plane: HttpPlane): BackendTarget {
  const { backendProtocol, backendTls, backendServerName } = route.l7!;
  const { backend } = route;
  const version = backendProtocol === "http/1.1" ? "http/1.1" : "h2";
  const address = `${formatEndpoint(backend)} ${version}`;
  if (!backendTls) return { key: address, endpoint: backend, version };
  const authorities = plane.backendAuthorities(route.id);
  const serverName = backendServerName === "" ? backend.host : backendServerName;
  return {
    key: `${address} ${serverName} ${authorities?.key ?? "none"}`,
    endpoint: backend,
    version,
    tls: { serverName, certificates: authorities?.certificates },
  };
}
