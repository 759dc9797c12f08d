/**
 * `deno task bench`: mc-proxy beside HAProxy and nginx, on one backend and one load generator of ours.
 *
 *     deno task bench [--rounds N] [--only bulk,connections] [--peers mc-proxy,haproxy] [--workers N]
 *
 * On Debian: `apt-get install haproxy nginx libnginx-mod-stream`. What isn't installed is left out with one line.
 * The program is taken from source, or from the file that MC_PROXY_BIN names.
 *
 * A round starts every peer afresh, takes each measure of each peer in turn, and ends them; rounds rotate the order.
 * Printed are the medians over the rounds. CPU seconds are those of all processes of the proxy (/proc/PID/stat), so
 * they don't depend on what generator and backend cost; rates do, for all share the machine's CPUs, and only their
 * ratio says something. Measures (`--only`): start, idle, latency, bulk, connections, storm.
 *
 * Exit codes: 0 measured (whether or not goals are met), 1 a connection failed or a peer did not start, 2 usage.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { print, printError } from "../support/print.ts";
import { NAMES, probe, startBackend } from "./helpers.ts";
import { bulk } from "./measures/bulk.ts";
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
import { report } from "./report.ts";

const PEERS: readonly Peer[] = [mcProxy, haproxy, nginx];
/** In the order of a round: memory first, while the peers are fresh. */
const MEASURES: readonly Measure[] = [start, idle, latency, bulk, connections, stormLatency];

interface Options {
  readonly rounds: number;
  readonly workers: number;
  readonly measures: readonly Measure[];
  readonly peers: readonly Peer[];
}

/** What was measured and how many connections failed. */
interface Results {
  readonly rounds: Map<string, Figures[]>;
  failed: number;
}

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    printError(
      "usage: deno task bench [--rounds N] [--workers N] " +
        `[--only ${MEASURES.map(({ name }) => name)}] [--peers ${
          PEERS.map(({ name }) => name.toLowerCase())
        }]`,
    );
    return 2;
  }
  const peers = await installed(options);
  const results: Results = { rounds: new Map(peers.map(({ name }) => [name, []])), failed: 0 };
  try {
    for (let round = 0; round < options.rounds; round++) {
      print(`round ${round + 1} of ${options.rounds}`);
      await runRound(
        [...peers.slice(round % peers.length), ...peers.slice(0, round % peers.length)],
        options,
        results,
      );
    }
  } catch (error) {
    printError(error instanceof Error ? error.message : String(error));
    results.failed++;
  }
  print(`\n${report(options.measures.flatMap(({ rows }) => rows), results.rounds)}\n`);
  if (results.failed === 0) return 0;
  printError(`${results.failed} failed: the figures don't count`);
  return 1;
}

/** The peers that are on this machine; says a line about each. */
async function installed(options: Options): Promise<Peer[]> {
  const present: Peer[] = [];
  for (const peer of options.peers) {
    const description = await peer.describe(options.workers);
    print(
      description === undefined ? `${peer.name}: not installed, left out` : `${peer.name}: ${description}`,
    );
    if (description !== undefined) present.push(peer);
  }
  const { hardwareConcurrency } = navigator;
  print(`${hardwareConcurrency} CPUs, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`);
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
    };
    const whole = [options.rounds, options.workers].every((count) => Number.isInteger(count) && count > 0);
    return whole && options.measures.length > 0 && options.peers.length > 0 ? options : undefined;
  } catch {
    return undefined;
  }
}

/** Those of `all` that the comma-separated `names` name, in their own order; none when a name is unknown. */
function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  names: string | undefined,
): readonly T[] {
  if (names === undefined) return all;
  const wanted = new Set(names.toLowerCase().split(","));
  const found = all.filter(({ name }) => wanted.has(name.toLowerCase()));
  return found.length === wanted.size ? found : [];
}

if (import.meta.main) main(Deno.args).then((code) => Deno.exit(code));
