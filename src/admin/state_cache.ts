/**
 * The state that workers decide by, built in the main process for those who ask about decisions.
 *
 * @module
 */

import { inSlices } from "../net/in_slices.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import { buildRuntimeState } from "../state/runtime_state.ts";
import type { ControlPlane } from "./control_plane.ts";

/** Builds a state when it is asked for, and keeps it until the configuration changes. */
export class StateCache {
  readonly #plane: Pick<ControlPlane, "served">;
  #built: { readonly revision: number; readonly state: Promise<RuntimeState> } | undefined;

  /** Builds nothing yet. */
  constructor(plane: Pick<ControlPlane, "served">) {
    this.#plane = plane;
  }

  /** The state of the current revision. */
  async current(): Promise<RuntimeState> {
    const { configuration, revision, generation, options } = this.#plane.served();
    if (this.#built?.revision !== revision) {
      const { limits, blockUnknownCountry } = options;
      const state = inSlices(
        buildRuntimeState(configuration, { revision, generation, limits, blockUnknownCountry }),
      );
      this.#built = { revision, state };
    }
    return await this.#built.state;
  }
}
