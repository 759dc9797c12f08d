/**
 * `deno task bench`: mc-proxy at layer 4 beside HAProxy and nginx, on one backend and one load generator of ours, and at
 * layer 7 beside HAProxy, Caddy and Go's ReverseProxy, on one backend, with h2load.
 *
 *     deno task bench [--rounds N] [--only bulk,connections] [--peers mc-proxy,haproxy] [--workers N]
 *
 * On Debian: `apt-get install haproxy nginx libnginx-mod-stream caddy nghttp2-client`. What isn't installed is left out with one line.
 * The program is taken from source, or from the file that MC_PROXY_BIN names.
 *
 * A round starts every peer afresh, takes each measure of each peer in turn, and ends them; rounds rotate the order.
 * Printed are the medians over the rounds. CPU seconds are those of all processes of the proxy (/proc/PID/stat), so
 * they don't depend on what generator and backend cost; rates do, for all share the machine's CPUs, and only their
 * ratio says something. Measures (`--only`): start, idle, latency, bulk, connections, storm, changes; at layer 7 l7idle,
 * l7latency, l7small, l7http1, l7connections, l7bulk, or `l7` for all of them. Layer 7: TLS 1.3, one cipher and
 * certificate, no resumption, no log of requests; an answer that isn't 2xx fails the run.
 *
 * Exit codes: 0 measured (whether or not goals are met), 1 a connection failed or a peer did not start, 2 usage.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { print, printError } from "../support/print.ts";
import { NAMES, probe, startBackend } from "./helpers.ts";
import { bulk } from "./measures/bulk.ts";
import { changes } from "./measures/changes.ts";
import { connections } from "./measures/connections.ts";
import { idle } from "./measures/idle.ts";
import { latency } from "./measures/latency.ts";
import type { Figures, Measure } from "./measures/measure.ts";
import { start } from "./measures/start.ts";
import { stormLatency } from "./measures/storm.ts";
import { haproxy } from "./peers/haproxy.ts";
import { mcProxy } from "./peers/mc_proxy.ts";
import { nginx } from "./peers/nginx.ts";
import { type Peer, type Routes, type RunningPeer, startPeer } from "./peers/peer.ts";
import { CIPHER } from "./l7/h2load.ts";
import { HTTP_MEASURES, type HttpMeasure } from "./l7/measures.ts";
import { runHttpRound } from "./l7/round.ts";
import { caddy } from "./peers/caddy.ts";
import { goProxy } from "./peers/go_proxy.ts";
import { haproxyHttp } from "./peers/haproxy_http.ts";
import type { HttpPeer } from "./peers/http_peer.ts";
import { mcProxyHttp } from "./peers/mc_proxy_http.ts";
import { firstLine } from "./peers/peer.ts";
import { report } from "./report.ts";

const PEERS: readonly Peer[] = [mcProxy, haproxy, nginx];
/** In the order of a round: memory first, while the peers are fresh. */
const MEASURES: readonly Measure[] = [start, idle, latency, bulk, connections, stormLatency, changes];

const HTTP_PEERS: readonly HttpPeer[] = [mcProxyHttp, haproxyHttp, caddy, goProxy];

/** Names every measure of layer 7. */
const ALL_HTTP = "l7";

interface Options {
  readonly rounds: number;
  readonly workers: number;
  readonly measures: readonly Measure[];
  readonly peers: readonly Peer[];
  readonly httpMeasures: readonly HttpMeasure[];
  readonly httpPeers: readonly HttpPeer[];
}

/** What was measured and how many connections failed. */
interface Results {
  readonly rounds: Map<string, Figures[]>;
  failed: number;
}

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    const names = (
      all: readonly { readonly name: string }[],
    ) => [...new Set(all.map(({ name }) => name.toLowerCase()))];
    printError(
      "usage: deno task bench [--rounds N] [--workers N] " +
        `[--only l7,${names([...MEASURES, ...HTTP_MEASURES])}] [--peers ${names([...PEERS, ...HTTP_PEERS])}]`,
    );
    return 2;
  }
  const { hardwareConcurrency } = navigator;
  print(`${hardwareConcurrency} CPUs, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`);
  const { workers } = options;
  let failed = await measureLayer(4, options, options.peers, options.measures, runRound);
  if (options.httpMeasures.length > 0) {
    print(`layer 7: ${await firstLine("h2load", ["--version"])}, ${CIPHER}`);
  }
  failed += await measureLayer(
    7,
    options,
    options.httpPeers,
    options.httpMeasures,
    async (peers, _, results) => {
      const figures = new Map<string, Figures>();
      const taken = (peer: string, some: Figures) => {
        figures.set(peer, { ...figures.get(peer), ...some });
        print(`  ${peer.padEnd(9)} ${line(some)}`);
      };
      await runHttpRound({ peers, measures: options.httpMeasures, workers, taken });
      for (const [name, all] of figures) results.rounds.get(name)!.push(all);
    },
  );
  if (failed === 0) return 0;
  printError(`${failed} failed: the figures don't count`);
  return 1;
}

/** Runs all rounds of one layer and prints its table. @returns how many failed */
async function measureLayer<P extends Pick<Peer, "name" | "describe">>(
  layer: number,
  options: Options,
  chosenPeers: readonly P[],
  measures: readonly (Measure | HttpMeasure)[],
  runRound: (peers: readonly P[], options: Options, results: Results) => Promise<void>,
): Promise<number> {
  if (measures.length === 0) return 0;
  const peers = await installed(chosenPeers, options.workers);
  const results: Results = { rounds: new Map(peers.map(({ name }) => [name, []])), failed: 0 };
  try {
    for (let round = 0; round < options.rounds; round++) {
      print(`layer ${layer}, round ${round + 1} of ${options.rounds}`);
      const first = round % peers.length;
      await runRound([...peers.slice(first), ...peers.slice(0, first)], options, results);
    }
  } catch (error) {
    printError(error instanceof Error ? error.message : String(error));
    results.failed++;
  }
  print(`\n${report(measures.flatMap(({ rows }) => rows), results.rounds)}\n`);
  return results.failed;
}

/** The peers that are on this machine; says a line about each. */
async function installed<P extends Pick<Peer, "name" | "describe">>(
  peers: readonly P[],
  workers: number,
): Promise<P[]> {
  const present: P[] = [];
  for (const peer of peers) {
    const description = await peer.describe(workers);
    print(
      description === undefined ? `${peer.name}: not installed, left out` : `${peer.name}: ${description}`,
    );
    if (description !== undefined) present.push(peer);
  }
  return present;
}

/** Starts all, measures each in turn, measure by measure, and ends all. */
async function runRound(peers: readonly Peer[], options: Options, results: Results): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend());
  const routes: Routes = {
    [NAMES.stream]: backend.stream,
    [NAMES.answer]: backend.answer,
    [NAMES.echo]: backend.echo,
  };
  const running: RunningPeer[] = [];
  for (const peer of peers) {
    running.push(stack.use(await startPeer(peer, { routes, workers: options.workers }, probe)));
  }
  const figures = new Map<string, Figures>();
  const failed = (count: number, what: string) => {
    results.failed += count;
    if (count > 0) printError(`${what}: ${count} connections failed`);
  };
  for (const measure of options.measures) {
    for (const peer of running) {
      const taken = await measure.run({ peer, directEchoPort: backend.echo, failed });
      figures.set(peer.name, { ...figures.get(peer.name), ...taken });
      print(`  ${peer.name.padEnd(9)} ${line(taken)}`);
    }
  }
  for (const [name, taken] of figures) results.rounds.get(name)!.push(taken);
}

function line(figures: Figures): string {
  return Object.entries(figures).map(([key, value]) => `${key} ${value.toPrecision(4)}`).join("  ");
}

function parseOptions(args: string[]): Options | undefined {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({ args, options: { rounds: text, workers: text, only: text, peers: text } });
    const options = {
      rounds: Number(values.rounds ?? 5),
      workers: Number(values.workers ?? 2),
      measures: chosen(MEASURES, values.only),
      peers: chosen(PEERS, values.peers),
      httpMeasures: chosen(HTTP_MEASURES, values.only),
      httpPeers: chosen(HTTP_PEERS, values.peers),
    };
    const areKnown = isKnown([...MEASURES, ...HTTP_MEASURES], values.only) &&
      isKnown([...PEERS, ...HTTP_PEERS], values.peers);
    const whole = [options.rounds, options.workers].every((count) => Number.isInteger(count) && count > 0);
    return whole && areKnown ? options : undefined;
  } catch {
    return undefined;
  }
}

/** Those of `all` that the comma-separated `names` name, in their own order; `l7` names all that begin with it. */
function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  names: string | undefined,
): readonly T[] {
  if (names === undefined) return all;
  const wanted = new Set(names.toLowerCase().split(","));
  return all.filter(({ name }) => {
    return wanted.has(name.toLowerCase()) || wanted.has(ALL_HTTP) && name.startsWith(ALL_HTTP);
  });
}

/** Whether each of the comma-separated `names` is one of `all`. */
function isKnown(all: readonly { readonly name: string }[], names: string | undefined): boolean {
  const known = new Set([ALL_HTTP, ...all.map(({ name }) => name.toLowerCase())]);
  return names === undefined || names.toLowerCase().split(",").every((name) => known.has(name));
}

if (import.meta.main) main(Deno.args).then((code) => Deno.exit(code));
