/**
 * What becomes of the open connections that a change concerns.
 *
 * @module
 */

import type { ConnectionFilter } from "../proxy/connection_query.ts";
import type { Reason } from "../reasons.ts";
import type { Change } from "../state/change.ts";
import type { ControlPlane } from "./control_plane.ts";
import { Existing } from "./gen/mc_proxy/v1/admin_pb.ts";
import { invalid } from "./requests.ts";

/** Some connections, and why they end when they are closed at once. */
export interface Concerned {
  /** Which. */
  readonly filter: ConnectionFilter;
  /** What is left of a drain ends with `drained` instead. */
  readonly reason: Reason;
}

/** Ids in one question: a line to a worker has its limit. */
const IDS_MAX = 5_000;

/**
 * What a call asks for. Called before anything is changed.
 *
 * @param otherwise when nothing is asked for
 * @throws ProxyError invalid
 */
export function readExisting(existing: Existing, otherwise: Existing): Existing {
  if (Existing[existing] === undefined) throw invalid("existing", "KEEP, DRAIN or CLOSE", String(existing));
  return existing === Existing.UNSPECIFIED ? otherwise : existing;
}

/** Lets connections go on, drains or closes them. @returns how many there are */
export async function endExisting(
  plane: ControlPlane,
  wanted: Existing,
  concerned: readonly Concerned[],
): Promise<number> {
  const { shutdownTimeoutMs } = plane.settings.limits;
  let total = 0;
  for (const { filter, reason } of concerned) {
    if (wanted === Existing.KEEP) total += (await plane.queries.list(filter, 0)).total;
    else if (wanted === Existing.CLOSE) total += await plane.queries.close(filter, reason, 0);
    else total += await plane.queries.close(filter, "drained", Math.max(1, shutdownTimeoutMs));
  }
  return total;
}

/** The connections of what changes have removed. */
export function removedBy(changes: readonly Change[]): Concerned[] {
  const listenerIds = changes.flatMap((change) =>
    change.kind === "listener_removed" ? [change.listener.id] : []
  );
  const routeIds = changes.flatMap((change) =>
    change.kind === "route_removed" && !listenerIds.includes(change.listenerId) ? [change.route.id] : []
  );
  const concerned: Concerned[] = [];
  if (listenerIds.length > 0) concerned.push({ filter: { listenerIds }, reason: "listener_removed" });
  for (let start = 0; start < routeIds.length; start += IDS_MAX) {
    concerned.push({ filter: { routeIds: routeIds.slice(start, start + IDS_MAX) }, reason: "route_removed" });
  }
  return concerned;
}
