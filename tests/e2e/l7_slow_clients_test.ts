/**
 * Goal: who downloads much at once and slowly is no flood, whatever his backends have ready for him.
 * Method: the real program, a hundred HTTP/1.1 backend connections that curl has used before, a client whose windows
 * open late.
 *
 * @module
 */

import assert from "node:assert/strict";
import { floodCounter } from "../../src/observe/counters.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { pause } from "./eventually.ts";
import { L7Peer } from "./l7_peer.ts";
import { openSite } from "./l7_site.ts";
import { SharedCounters } from "./shared_counters.ts";

const NAME = "h1.test";
const KIB = 1_024;
const TRANSFERS = 100;
/** What the client lets come of each response at first. */
const WINDOW_BYTES = 16_384;

Deno.test("a hundred slow downloads of one client from HTTP/1.1 backends end whole", async () => {
  await using site = await openSite();
  const route = site.route(NAME, site.clear, { backend_protocol: "http/1.1" });
  await using proxy = await startProxy({ listeners: [{ routes: [route] }], proxy: { workers: 1 } });
  const [host, port] = proxy.addr.split(":");
  // Each over a connection of its own: as many backend connections wait afterwards, read in large parts until then.
  const { stdout } = await new Deno.Command("curl", {
    args: [
      ...["--silent", "--http1.1", "--parallel", "--parallel-immediate", "--parallel-max", `${TRANSFERS}`],
      ...["--max-time", "60", "--cacert", `${site.folder}/ca.pem`, "--resolve", `${NAME}:${port}:${host}`],
      ...[
        "--output",
        `${site.folder}/got#1`,
        "--write-out",
        "%{exitcode} %{size_download} %{num_connects}\n",
      ],
      `https://${NAME}:${port}/bytes/${400 * KIB}?[1-${TRANSFERS}]`,
    ],
  }).output();
  const quick = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assert.deepEqual(new Set(quick), new Set([`0 ${400 * KIB} 1`]));
  // Takes a window of each and nothing more for a while, as one does who lost his network for a moment.
  await using slow = await L7Peer.open(site, { addr: proxy.addr, name: NAME }, "h2");
  const streams = Array.from({ length: TRANSFERS }, () => {
    const stream = slow.ask({ path: `/bytes/${200 * KIB}` });
    stream.isHolding = true;
    return stream;
  });
  await slow.until("a window of each", () => streams.every(({ bytes }) => bytes >= WINDOW_BYTES));
  await pause(300);
  for (const stream of streams) stream.release();
  await slow.until("all of each", () => streams.every(({ isOver }) => isOver));
  assert.deepEqual(new Set(streams.map(({ bytes }) => bytes)), new Set([200 * KIB]));
  await slow[Symbol.asyncDispose]();
  assert.equal(new SharedCounters(proxy.program, 1).counted(floodCounter("buffered_bytes")), 0);
  await stopQuietly(proxy);
});
