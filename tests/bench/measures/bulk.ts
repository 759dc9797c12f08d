/**
 * Bulk: four streams of a GiB each at once, from backend to client.
 *
 * @module
 */

import { NAMES, STREAM_BYTES } from "../helpers.ts";
import { type Measure, runTimed } from "./measure.ts";

const STREAMS = 4;
const BYTES = STREAMS * STREAM_BYTES;

/** MiB/s over all streams, and the proxy's CPU for it. */
export const bulk: Measure = {
  name: "bulk",
  rows: [
    { key: "bulkRate", title: "bulk, MiB/s", digits: 0, goal: { atLeast: 1.3 } },
    { key: "bulkCpu", title: "bulk, CPU s/GiB", digits: 2, goal: { atMost: 0.6 } },
  ],
  run: async (options) => {
    const load = {
      kind: "bulk",
      name: NAMES.stream,
      count: STREAMS,
      atOnce: STREAMS,
      bytes: STREAM_BYTES,
    } as const;
    const { seconds, cpuSeconds } = await runTimed(options, load);
    return { bulkRate: BYTES / 2 ** 20 / seconds, bulkCpu: cpuSeconds / (BYTES / 2 ** 30) };
  },
};
