/**
 * Start-up until the first whole answer, and memory at rest.
 *
 * @module
 */

import { type Measure, settle } from "./measure.ts";

/** Runs first in a round, on a peer that has served nothing but the probe. */
export const start: Measure = {
  name: "start",
  rows: [
    { key: "startMs", title: "start to first answer, ms", digits: 0, goal: { limit: 500 } },
    { key: "restMib", title: "memory at rest (PSS), MiB", digits: 1, goal: { limit: 100 } },
  ],
  run: async ({ peer }) => {
    await settle();
    return { startMs: peer.startMs, restMib: peer.pssKib() / 1_024 };
  },
};
