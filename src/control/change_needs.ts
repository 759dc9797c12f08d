/**
 * What a change needs of this host, looked at before any worker is asked.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import { probeListeners } from "../net/probe.ts";
import type { Change } from "../state/change.ts";
import { addressesOverlap } from "../state/listen_address.ts";
import type { Configuration } from "../state/model.ts";

/**
 * Refuses country rules that would never match, and addresses that another program listens on: workers bind with
 * reusePort, which would let the two share a port silently.
 *
 * @param before what is served; the addresses in it are ours
 * @param hasCountries whether a GeoIP database is configured
 * @throws ProxyError invalid or unavailable
 */
export function requireChangeNeeds(
  before: Configuration,
  changes: readonly Change[],
  hasCountries: boolean,
): void {
  if (
    !hasCountries && changes.some((change) => change.kind === "rule_put" && change.rule.type === "country")
  ) {
    throw new ProxyError(
      "invalid",
      "a country rule needs a GeoIP database, and [firewall] geoip_db names none",
      {
        field: "rule.type",
      },
    );
  }
  const added = changes.flatMap((change) => change.kind === "listener_put" ? [change.listener.address] : []);
  const strange = added.filter((address) =>
    !before.listeners.some((listener) => addressesOverlap(listener.address, address))
  );
  try {
    probeListeners(strange);
  } catch (error) {
    throw new ProxyError("unavailable", messageOf(error), {
      cause: error,
    });
  }
}
