/**
 * A state as the main process knows it: what the workers are told to serve.
 *
 * @module
 */

import type { Preparation, StateOptions } from "../proxy/messages.ts";
import type { Change } from "../state/change.ts";
import type { Configuration } from "../state/model.ts";
import type { Slots } from "./slots.ts";

/** A state as all workers are to serve it. */
export interface ServedState {
  /** What the store holds as this revision; on the first start what it is about to hold. */
  readonly configuration: Configuration;
  /** 1 for the seed, then one more with each change of the configuration. */
  readonly revision: number;
  /** 0 at start, then one more with each changed file (GeoIP); not kept over a restart. */
  readonly generation: number;
  /** What a worker needs besides the configuration, limits all computed. */
  readonly options: StateOptions;
}

/** What a worker has to prepare: a state as changes of the one that it serves. */
export function preparationOf(state: ServedState, changes: readonly Change[], slots: Slots): Preparation {
  const { revision, generation, options } = state;
  return {
    revision,
    generation,
    changes,
    listenerSlots: slots.listeners(),
    routeSlots: slots.routes(),
    options,
  };
}
