/**
 * Finds out before a start whether its addresses are free.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint } from "../state/model.ts";

/**
 * Binds each address once without reusePort: with it the kernel would let this program share a port with another
 * one silently. Nothing stays bound.
 *
 * @throws ProxyError config that names every address that can't be bound, and why
 */
export function probeListeners(addresses: readonly Endpoint[]): void {
  const faults = addresses.flatMap((address) => {
    try {
      Deno.listen({ hostname: address.host, port: address.port }).close();
      return [];
    } catch (error) {
      return [`${formatEndpoint(address)} (${reasonOf(error)})`];
    }
  });
  if (faults.length > 0) throw new ProxyError("config", `can't listen on ${faults.join(", ")}`);
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "in use by another program";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "not permitted: ports below 1024 need CAP_NET_BIND_SERVICE";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) return "not an address of this host";
  return messageOf(error);
}
