/**
 * Memory of an idle connection: PSS with 3,000 of them open, less PSS before.
 *
 * @module
 */

import { NAMES, startLoad } from "../helpers.ts";
import { type Measure, runLoad, settle } from "./measure.ts";

const COUNT = 3_000;
const WARM_UP = 300;

/** Each connection has had one round trip of its hello through the echo backend. */
export const idle: Measure = {
  name: "idle",
  rows: [{ key: "idleKib", title: "KiB per idle connection at 3,000", digits: 1, goal: { limit: 15 } }],
  run: async (options) => {
    const { peer, failed } = options;
    await runLoad(options, { kind: "idle", name: NAMES.echo, count: WARM_UP, atOnce: 0, bytes: 0 });
    await settle();
    const before = peer.pssKib();
    const request = { kind: "idle", name: NAMES.echo, count: COUNT, atOnce: 0, bytes: 0 } as const;
    await using load = await startLoad({ ...request, port: peer.port });
    failed(load.result.failed, `${peer.name} idle`);
    await settle();
    return { idleKib: (peer.pssKib() - before) / COUNT };
  },
};
