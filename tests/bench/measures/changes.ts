/**
 * What open streams notice while 1,000 routes are added in a loop over gRPC: a one-byte echo in calm and beside the loop,
 * with 200 streams open. Loop, echo, proxy and backend share the machine's CPUs, so this is an upper bound. Of mc-proxy
 * alone, on a program of its own.
 *
 * @module
 */

import { ADMIN_SOCKET, adminOf } from "../../e2e/admin_api.ts";
import { clientHello } from "../../support/client_hello.ts";
import { type Proxy, startProxy } from "../../support/proxy.ts";
import { openClient, type RawClient } from "../../support/raw_client.ts";
import { NAMES, startLoad } from "../helpers.ts";
import { SUBJECT } from "../report.ts";
import { quantile } from "../statistics.ts";
import type { Measure, MeasureOptions } from "./measure.ts";

const ROUTES = 1_000;
const STREAMS = 200;
const ECHO = { kind: "echo", name: NAMES.echo, count: 2_000, atOnce: 4, bytes: 0 } as const;

/** p50 and p99 in ms, and how many routes were added in a second. */
export const changes: Measure = {
  name: "changes",
  rows: [
    { key: "changesCalmP50", title: "echo beside 200 streams p50, ms", digits: 3 },
    { key: "changesCalmP99", title: "echo beside 200 streams p99, ms", digits: 3 },
    { key: "changesP50", title: "echo while 1,000 routes are added p50, ms", digits: 3 },
    { key: "changesP99", title: "echo while 1,000 routes are added p99, ms", digits: 3 },
    { key: "changesRate", title: "routes added, /s", digits: 0 },
  ],
  run: async (options) => {
    if (options.peer.name !== SUBJECT) return {};
    const target = `127.0.0.1:${options.directEchoPort}`;
    await using proxy = await startProxy({
      listeners: [{ routes: [{ hostname: NAMES.echo, backend: target }] }],
      grpc: ADMIN_SOCKET,
    });
    using streams = new DisposableStack();
    const clients = await Promise.all(Array.from({ length: STREAMS }, () => open(proxy)));
    for (const client of clients) streams.use(client);
    const calm = await echoes(options, proxy);
    const startedMs = performance.now();
    let seconds = 0;
    const adding = addRoutes(proxy, target).finally(() => seconds = (performance.now() - startedMs) / 1_000);
    const beside: number[] = [];
    while (seconds === 0) beside.push(...await echoes(options, proxy));
    await adding;
    const lost = await Promise.all(clients.map(isLost));
    options.failed(lost.filter(Boolean).length, `${options.peer.name} streams beside changes`);
    return {
      changesCalmP50: quantile(calm, 0.5),
      changesCalmP99: quantile(calm, 0.99),
      changesP50: quantile(beside, 0.5),
      changesP99: quantile(beside, 0.99),
      changesRate: ROUTES / seconds,
    };
  },
};

async function addRoutes({ config }: Proxy, backend: string): Promise<void> {
  await using admin = await adminOf(config.folder);
  for (let number = 0; number < ROUTES; number++) {
    await admin.api.addRoute({ route: { hostname: `${number}.test`, backend } });
  }
}

/** Latencies in ms of one run. */
async function echoes(options: MeasureOptions, proxy: Proxy): Promise<readonly number[]> {
  await using load = await startLoad({ ...ECHO, port: Number(proxy.addr.split(":")[1]) });
  options.failed(load.result.failed, "echo beside changes");
  return load.result.latenciesMicros.map((micros) => micros / 1_000);
}

/** A stream whose hello has come back. */
async function open({ addr }: Proxy): Promise<RawClient> {
  const client = await openClient(addr);
  const hello = clientHello({ serverName: NAMES.echo });
  await client.send(hello);
  await client.readBytes(hello.length);
  return client;
}

/** Whether a stream doesn't echo any more. */
async function isLost(client: RawClient): Promise<boolean> {
  try {
    await client.send(Uint8Array.of(7));
    return (await client.readBytes(1))[0] !== 7;
  } catch {
    return true;
  }
}
