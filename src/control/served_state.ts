/**
 * A state as the main process knows it: what the workers are told to serve.
 *
 * @module
 */

import type { StateOptions } from "../proxy/messages.ts";
import type { Preparation } from "../proxy/preparation.ts";
import type { Change } from "../state/change.ts";
import type { Configuration } from "../state/model.ts";
import { certificateChanges, type CertificateSet, NO_CERTIFICATES } from "./certificate_set.ts";
import type { Slots } from "./slots.ts";

/** A state as all workers are to serve it. */
export interface ServedState {
  /** What the store holds as this revision; on the first start what it is about to hold. */
  readonly configuration: Configuration;
  /** 1 for the seed, then one more with each change of the configuration. */
  readonly revision: number;
  /** 0 at start, then one more with each reload of changed files (GeoIP, certificates); not kept over a restart. */
  readonly generation: number;
  /** What the files of the configuration's L7 routes held when they were read last. */
  readonly certificates: CertificateSet;
  /** What a worker needs besides the configuration, limits all computed. */
  readonly options: StateOptions;
}

/**
 * What a worker has to prepare: a state as changes of the one that it serves.
 *
 * @param changes of the configuration
 * @param before certificates of the state that it serves; default none, for a new worker
 */
export function preparationOf(
  state: ServedState,
  changes: readonly Change[],
  slots: Slots,
  before: CertificateSet = NO_CERTIFICATES,
): Preparation {
  const { revision, generation, certificates, options } = state;
  return {
    revision,
    generation,
    changes,
    ...slots.putBy(changes),
    ...certificateChanges(before, certificates),
    options,
  };
}
