/**
 * What an honest client notices of a storm: from its connect to its hello's echo, in calm, under a storm from one
 * address (refused at 50 a second) and under one from ever new /64s (let in, without a hello). Storm, visits, proxy
 * and backend share the machine's CPUs, so this is an upper bound. Of mc-proxy alone, on a program of its own: the
 * limits would keep out the other measures' load.
 *
 * @module
 */

import { attempt, SERVER_NAME, versionTwo } from "../../e2e/declared.ts";
import { storm, type StormKind } from "../../e2e/storm.ts";
import { type Proxy, startProxy } from "../../support/proxy.ts";
import { SUBJECT } from "../report.ts";
import { quantile } from "../statistics.ts";
import type { Measure } from "./measure.ts";

const WARM_UP = 500;
const CALM_VISITS = 500;
const STORM_SECONDS = 5;
const STORM_AT_ONCE = 32;
/** Honest clients: each comes seldom enough for its rate. */
const HONEST_CLIENTS = 250;

/** p50 and p99 in ms, and how many of the storm's clients came in a second. */
export const stormLatency: Measure = {
  name: "storm",
  rows: [
    { key: "calmP50", title: "honest visit in calm p50, ms", digits: 2 },
    { key: "calmP99", title: "honest visit in calm p99, ms", digits: 2 },
    { key: "oneP50", title: "honest visit, storm from one address p50, ms", digits: 2 },
    { key: "oneP99", title: "honest visit, storm from one address p99, ms", digits: 2 },
    { key: "oneRate", title: "storm from one address, connections/s", digits: 0 },
    { key: "spoofedP50", title: "honest visit, storm from /64s p50, ms", digits: 2 },
    { key: "spoofedP99", title: "honest visit, storm from /64s p99, ms", digits: 2 },
    { key: "spoofedRate", title: "storm from /64s, connections/s", digits: 0 },
  ],
  run: async ({ peer, directEchoPort, failed }) => {
    if (peer.name !== SUBJECT) return {};
    await using proxy = await startProxy({
      listeners: [{
        proxy_protocol: true,
        trusted_proxies: ["127.0.0.1"],
        routes: [{ hostname: SERVER_NAME, backend: `127.0.0.1:${directEchoPort}` }],
      }],
      firewall: { rate_limit: 50, rate_burst: 100, max_connections_per_ip: 100 },
    });
    const visitor = new Visitor(proxy);
    await visitor.visit((visits) => visits < WARM_UP);
    const calm = await visitor.visit((visits) => visits < CALM_VISITS);
    const one = await underStorm(visitor, proxy, "one");
    const spoofed = await underStorm(visitor, proxy, "spoofed");
    failed(visitor.failed, `${peer.name} honest visits`);
    return {
      calmP50: quantile(calm, 0.5),
      calmP99: quantile(calm, 0.99),
      oneP50: quantile(one.latenciesMs, 0.5),
      oneP99: quantile(one.latenciesMs, 0.99),
      oneRate: one.rate,
      spoofedP50: quantile(spoofed.latenciesMs, 0.5),
      spoofedP99: quantile(spoofed.latenciesMs, 0.99),
      spoofedRate: spoofed.rate,
    };
  },
};

/** Honest clients, one at a time. */
class Visitor {
  failed = 0;
  readonly #addr: string;
  #next = 0;

  constructor({ addr }: Proxy) {
    this.#addr = addr;
  }

  /** Comes again while `goesOn`. @returns ms of each visit */
  async visit(goesOn: (visits: number) => boolean): Promise<readonly number[]> {
    const latenciesMs: number[] = [];
    while (goesOn(latenciesMs.length)) {
      const header = versionTwo(`198.51.100.${this.#next++ % HONEST_CLIENTS}`);
      const startedMs = performance.now();
      if (await attempt(this.#addr, header) !== "served") this.failed++;
      latenciesMs.push(performance.now() - startedMs);
    }
    return latenciesMs;
  }
}

async function underStorm(
  visitor: Visitor,
  { addr }: Proxy,
  kind: StormKind,
): Promise<{ latenciesMs: readonly number[]; rate: number }> {
  let isOver = false;
  const blowing = storm({ addr, kind, count: 1, atOnce: STORM_AT_ONCE, seconds: STORM_SECONDS })
    .finally(() => isOver = true);
  const latenciesMs = await visitor.visit(() => !isOver);
  const { served, reset, closed, seconds } = await blowing;
  return { latenciesMs, rate: (served + reset + closed) / seconds };
}
