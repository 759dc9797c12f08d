/**
 * Which listeners and routes a worker still counts something for.
 *
 * @module
 */

import type { Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { SlotOwners } from "./messages.ts";

/** What is looked at of a connection. */
export interface SlotUser {
  /** The listener that accepted it. */
  readonly listenerId: number;
  /** Absent = it may still come to any route of its state. */
  readonly route: Route | undefined;
  /** The state that it began with. */
  readonly state: RuntimeState;
}

/**
 * Those among `asked` that neither the current state nor an open connection can count anything for.
 *
 * @param current what new connections begin with
 */
export function unusedSlots(
  asked: SlotOwners,
  current: RuntimeState,
  connections: Iterable<SlotUser>,
): SlotOwners {
  const listeners = new Set<number>();
  const routes = new Set<number>();
  const states = new Set<RuntimeState>([current]);
  for (const { listenerId, route, state } of connections) {
    listeners.add(listenerId);
    if (route === undefined) states.add(state);
    else routes.add(route.id);
  }
  return {
    listenerIds: asked.listenerIds.filter((id) => !listeners.has(id) && !current.listenersById.has(id)),
    routeIds: asked.routeIds.filter((id) =>
      !routes.has(id) && ![...states].some(({ routesById }) => routesById.has(id))
    ),
  };
}
