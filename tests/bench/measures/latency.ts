/**
 * Added latency of a one-byte echo: round trips through the proxy less round trips to the backend itself.
 *
 * @module
 */

import { NAMES, startLoad } from "../helpers.ts";
import { quantile } from "../statistics.ts";
import { type Measure, runLoad } from "./measure.ts";

const ROUND_TRIPS = 8_000;
/** Several connections, so that every worker has some; one byte is under way at a time. */
const CONNECTIONS = 8;
const ECHO = { kind: "echo", name: NAMES.echo, count: ROUND_TRIPS, atOnce: CONNECTIONS, bytes: 0 } as const;

/** p50 and p99 in ms. The first fifth of each run warms up and isn't counted. */
export const latency: Measure = {
  name: "latency",
  rows: [
    { key: "latencyP50", title: "added latency p50, ms", digits: 3 },
    { key: "latencyP99", title: "added latency p99, ms", digits: 3, goal: { plus: 0.2 } },
  ],
  run: async (options) => {
    await using direct = await startLoad({ ...ECHO, port: options.directEchoPort });
    options.failed(direct.result.failed, "direct echo");
    const through = await runLoad(options, ECHO);
    const added = (share: number) =>
      (quantile(warm(through.latenciesMicros), share) -
        quantile(warm(direct.result.latenciesMicros), share)) /
      1_000;
    return { latencyP50: added(0.5), latencyP99: added(0.99) };
  },
};

function warm(latencies: readonly number[]): readonly number[] {
  return latencies.slice(latencies.length / 5);
}
