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
  readonly configuration: Configuration;
  readonly revision: number;
  readonly generation: number;
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
