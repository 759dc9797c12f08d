/**
 * The PROXY header in front of a backend connection that belongs to one terminated client connection.
 *
 * @module
 */

import { formatProxyHeaderV2 } from "../wire/proxy_protocol_v2_format.ts";
import type { ConnectionContext } from "./http_plane.ts";

/** A version 2 header with AUTHORITY, UNIQUE_ID, ALPN and SSL. */
export function proxyHeaderFor(
  context: ConnectionContext,
  alpn: "h2" | "http/1.1",
  tlsVersion: string,
): Uint8Array {
  const { client, clientPort, destination, hello, id } = context;
  const authority = hello?.serverNameAsSent;
  return formatProxyHeaderV2({
    source: { host: client.text, port: clientPort },
    destination: { host: destination.host, port: destination.port },
    ...(authority !== undefined && { authority }),
    uniqueId: new TextEncoder().encode(id),
    alpn,
    ssl: { version: tlsVersion },
  });
}
