/**
 * The PROXY header that a backend connection begins with when it belongs to one client connection.
 *
 * @module
 */

import { formatProxyHeaderV2 } from "../wire/proxy_protocol_v2_format.ts";
import type { ConnectionContext } from "./http_plane.ts";

/** The client's TLS where it was terminated here. */
export interface TerminatedTls {
  /** The negotiated protocol. */
  readonly alpn: "h2" | "http/1.1";
  /** As the TLS library names it, such as `TLSv1.3`. */
  readonly version: string;
}

/**
 * A version 2 header with the client, where it went, AUTHORITY and UNIQUE_ID.
 *
 * @param tls adds ALPN and SSL; absent on layer 4
 */
export function proxyHeaderFor(
  context: Pick<ConnectionContext, "client" | "clientPort" | "destination" | "hello" | "id">,
  tls?: TerminatedTls,
): Uint8Array {
  const { client, clientPort, destination, hello, id } = context;
  const authority = hello?.serverNameAsSent;
  return formatProxyHeaderV2({
    source: { host: client.text, port: clientPort },
    destination: { host: destination.host, port: destination.port },
    ...(authority !== undefined && { authority }),
    uniqueId: new TextEncoder().encode(id),
    ...(tls !== undefined && { alpn: tls.alpn, ssl: { version: tls.version } }),
  });
}
