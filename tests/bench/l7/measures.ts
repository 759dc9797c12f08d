/**
 * The measures of layer 7, each a load by h2load and what all processes of the proxy took for it.
 *
 * @module
 */

import { LineReader } from "../../support/line_reader.ts";
import { settle } from "../measures/measure.ts";
import type { Figures, Row } from "../measures/measure.ts";
import { HTTP_NAMES } from "../peers/http_peer.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { quantile } from "../statistics.ts";
import { h2load, type HttpLoad } from "./h2load.ts";

/** What a measure of layer 7 is given. */
export interface HttpMeasureOptions {
  readonly peer: RunningPeer;
  readonly backendPort: number;
  /** A folder for files of the load. */
  readonly folder: string;
  /** A file of {@linkcode UPLOAD_BYTES}. */
  readonly content: string;
  /** PEM file of who vouches for the peers' certificate. */
  readonly authority: string;
}

/** A measure of layer 7. */
export interface HttpMeasure {
  readonly name: string;
  readonly rows: readonly Row[];
  run(options: HttpMeasureOptions): Promise<Figures>;
}

/** Bytes that one upload posts. */
export const UPLOAD_BYTES = 268_435_456;
const GIB = 1_073_741_824;
const BULK_STREAMS = 4;
/** Requests before anything is counted: compilers are done then. */
const WARM_UP = 60_000;
const IDLE_CONNECTIONS = 1_500;

type Load = Omit<HttpLoad, "port" | "name"> & { readonly name?: string };

/** CPU seconds of the peer and seconds of the load. */
async function timed({ peer }: HttpMeasureOptions, load: Load): Promise<{ cpu: number; seconds: number }> {
  const before = peer.cpuSeconds();
  const seconds = await h2load({ name: HTTP_NAMES.h2, ...load, port: peer.port });
  await settle();
  return { cpu: peer.cpuSeconds() - before, seconds };
}

const small = { path: "/small", clients: 16, streams: 10 } as const;

const saturated: HttpMeasure = {
  name: "l7small",
  rows: [
    { key: "smallRate", title: "h2 small requests/s, 16 x 10", digits: 0 },
    {
      key: "smallCpu",
      title: "h2 small, CPU µs/request",
      digits: 1,
      goal: { within: [{ times: 1.2, of: ["HAProxy"] }, { times: 0.3, of: ["Caddy", "Go"] }] },
    },
    {
      key: "pacedCpu",
      title: "h2 small at 3,000/s, CPU µs/request",
      digits: 1,
      goal: { within: [{ times: 1.2, of: ["HAProxy"] }, { times: 0.3, of: ["Caddy", "Go"] }] },
    },
  ],
  run: async (options) => {
    await timed(options, { ...small, requests: WARM_UP });
    const requests = 60_000;
    const full = await timed(options, { ...small, requests });
    const paced = 18_000;
    const rate = await timed(options, {
      ...small,
      clients: 10,
      requests: paced,
      requestsPerSecond: 300,
    });
    return {
      smallRate: requests / full.seconds,
      smallCpu: full.cpu / requests * 1e6,
      pacedCpu: rate.cpu / paced * 1e6,
    };
  },
};

const keepAlive: HttpMeasure = {
  name: "l7http1",
  rows: [
    { key: "http1Rate", title: "http/1.1 keep-alive requests/s, 50", digits: 0 },
    {
      key: "http1Cpu",
      title: "http/1.1 keep-alive, CPU µs/request",
      digits: 1,
      goal: { within: [{ times: 2, of: ["HAProxy"] }] },
    },
  ],
  run: async (options) => {
    const load = { path: "/small", clients: 50, http1: true, name: HTTP_NAMES.http1 };
    await timed(options, { ...load, requests: WARM_UP / 2 });
    const requests = 40_000;
    const { cpu, seconds } = await timed(options, { ...load, requests });
    return { http1Rate: requests / seconds, http1Cpu: cpu / requests * 1e6 };
  },
};

const bulk: HttpMeasure = {
  name: "l7bulk",
  rows: [
    { key: "downRate", title: "h2 download, MiB/s", digits: 0 },
    {
      key: "downCpu",
      title: "h2 download, CPU s/GiB",
      digits: 2,
      goal: { within: [{ times: 1.1, of: ["HAProxy"] }, { times: 1.1, of: ["Go"] }] },
    },
    { key: "upRate", title: "h2 upload, MiB/s", digits: 0 },
    {
      key: "upCpu",
      title: "h2 upload, CPU s/GiB",
      digits: 2,
      goal: { within: [{ times: 1.5, of: ["Go"] }] },
    },
  ],
  run: async (options) => {
    const load = { requests: BULK_STREAMS, clients: BULK_STREAMS };
    const down = await timed(options, { ...load, path: `/bytes/${GIB / BULK_STREAMS}` });
    const up = await timed(options, { ...load, path: "/upload", content: options.content });
    const sent = BULK_STREAMS * UPLOAD_BYTES / GIB;
    return {
      downRate: 1_024 / down.seconds,
      downCpu: down.cpu,
      upRate: sent * 1_024 / up.seconds,
      upCpu: up.cpu / sent,
    };
  },
};

const connections: HttpMeasure = {
  name: "l7connections",
  rows: [{
    key: "tlsCpu",
    title: "new TLS connection and a request, CPU µs",
    digits: 0,
    goal: { within: [{ times: 1.3, of: ["HAProxy"] }] },
  }],
  run: async (options) => {
    const load = { path: "/small", clientsPerSecond: 300 };
    await timed(options, { ...load, requests: 1_200, clients: 1_200 });
    const count = 1_500;
    const { cpu } = await timed(options, { ...load, requests: count, clients: count });
    return { tlsCpu: cpu / count * 1e6 };
  },
};

const latency: HttpMeasure = {
  name: "l7latency",
  rows: [
    { key: "addedP50", title: "added latency at 400/s p50, ms", digits: 3 },
    { key: "addedP99", title: "added latency at 400/s p99, ms", digits: 3 },
  ],
  run: async (options) => {
    const { peer, backendPort, folder } = options;
    await timed(options, { ...small, requests: WARM_UP / 2 });
    const load = { ...small, clients: 8, streams: 1, requests: 2_400, requestsPerSecond: 50 };
    const of = async (more: Pick<HttpLoad, "port" | "clear">) => {
      const log = await Deno.makeTempFile({ dir: folder });
      await h2load({ ...load, name: HTTP_NAMES.h2, ...more, log });
      const lines = (await Deno.readTextFile(log)).trim().split("\n");
      return lines.slice(lines.length / 5).map((line) => Number(line.split("\t")[2]));
    };
    const direct = await of({ port: backendPort, clear: true });
    const through = await of({ port: peer.port });
    const added = (share: number) => (quantile(through, share) - quantile(direct, share)) / 1_000;
    return { addedP50: added(0.5), addedP99: added(0.99) };
  },
};

const idle: HttpMeasure = {
  name: "l7idle",
  rows: [{
    key: "idleHttpKib",
    title: "KiB per idle h2 connection, from 1,500 to 3,000",
    digits: 1,
    goal: { limit: 45 },
  }],
  run: async (options) => {
    const { peer } = options;
    // The slope between two numbers of connections: what a heap grows by with any work is in both.
    const [first, all] = await holdIdle(options, IDLE_CONNECTIONS, async () => {
      const before = peer.pssKib();
      return [before, await holdIdle(options, IDLE_CONNECTIONS, () => Promise.resolve(peer.pssKib()))];
    });
    return { idleHttpKib: (all! - first!) / IDLE_CONNECTIONS };
  },
};

/** Looks while so many idle connections are open. */
async function holdIdle<T>(
  { peer, authority }: HttpMeasureOptions,
  count: number,
  look: () => Promise<T>,
): Promise<T> {
  const path = new URL("idle_clients.ts", import.meta.url).pathname;
  const args = ["run", "--allow-net", "--allow-read", "--unstable-net", path];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, `127.0.0.1:${peer.port}`, HTTP_NAMES.h2, authority, `${count}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const opened = Promise.withResolvers<void>();
  const reader = new LineReader(child.stdout, () => opened.resolve());
  const broken = reader.done.then(() => {
    throw new Error("idle clients ended before all were open");
  });
  await Promise.race([opened.promise, broken]);
  await settle();
  const seen = await look();
  await child.stdin.close();
  await child.status;
  await broken.catch(() => {});
  return seen;
}

/** In the order of a round: memory first, while the peers are fresh. */
export const HTTP_MEASURES: readonly HttpMeasure[] = [idle, latency, saturated, keepAlive, connections, bulk];
