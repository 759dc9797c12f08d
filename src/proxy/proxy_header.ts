/**
 * The PROXY protocol header that a load balancer puts before its client's bytes.
 *
 * @module
 */

import { parseIpAddress } from "../policy/ip_address.ts";
import type { Reason } from "../reasons.ts";
import { parseProxyHeader } from "../wire/proxy_protocol.ts";
import type { ProxyHeader } from "../wire/proxy_protocol_header.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Peeked } from "./peeked.ts";

/** Whether every connection of the listener must begin with a header. */
export function requiresProxyHeader({ state, listenerId }: ClientConnection): boolean {
  return state.listenersById.get(listenerId)?.proxyProtocol === true;
}

/**
 * Reads the header that the listener requires, from trusted peers only; from then on the client is the address
 * that it declares.
 *
 * @returns why the connection can't be served; absent = go on
 */
export async function receiveProxyHeader(
  connection: ClientConnection,
  peeked: Peeked,
): Promise<Reason | undefined> {
  const listener = connection.state.listenersById.get(connection.listenerId);
  if (listener === undefined) return "listener_removed";
  if (listener.trustedProxies.lookup(connection.client).length === 0) return "proxy_untrusted";
  if (connection.isOverDescriptors) return "over_limit";
  connection.endAt("proxy_header_timeout", connection.state.limits.clientHelloTimeoutMs);
  for (;;) {
    const read = await peeked.readMore("proxy_header_invalid");
    if (typeof read === "string") return read;
    const outcome = parseProxyHeader(peeked.bytes);
    if (outcome.kind === "invalid") return outcome.reason;
    if (outcome.kind === "need_more") continue;
    declareClient(connection, outcome.header);
    peeked.take(outcome.consumed);
    return undefined;
  }
}

function declareClient(connection: ClientConnection, { source, destination }: ProxyHeader): void {
  const address = source && parseIpAddress(source.host);
  if (source === undefined || destination === undefined || address === undefined) return;
  connection.declare(address, source.port, destination);
}
