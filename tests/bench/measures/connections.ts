/**
 * New connections: hello, an answer of 1 KiB, end; 32 at a time.
 *
 * @module
 */

import { ANSWER_BYTES, NAMES } from "../helpers.ts";
import { type Measure, runLoad, runTimed } from "./measure.ts";

const COUNT = 20_000;
/** A server runs for days: the just-in-time compilers of its workers are done after some 20,000 connections each. */
const WARM_UP = 50_000;

/** Connections per second, and the proxy's CPU for each. */
export const connections: Measure = {
  name: "connections",
  rows: [
    { key: "connectionRate", title: "new connections/s", digits: 0, goal: { atLeast: 0.9 } },
    { key: "connectionCpu", title: "CPU µs per connection", digits: 0, goal: { atMost: 1.4 } },
  ],
  run: async (options) => {
    const load = { kind: "connections", name: NAMES.answer, atOnce: 32, bytes: ANSWER_BYTES } as const;
    await runLoad(options, { ...load, count: WARM_UP });
    const { seconds, cpuSeconds } = await runTimed(options, { ...load, count: COUNT });
    return { connectionRate: COUNT / seconds, connectionCpu: cpuSeconds / COUNT * 1e6 };
  },
};
