/**
 * What is measured of a peer, as data: the table's rows and their goals come from here.
 *
 * @module
 */

import { type Load, type LoadRequest, startLoad } from "../helpers.ts";
import type { RunningPeer } from "../peers/peer.ts";

/** Figures of one peer in one round, by row. */
export type Figures = Readonly<Record<string, number>>;

/**
 * The goal of a row: at least or at most so many times HAProxy's figure, at most HAProxy's `plus`, a `limit`, or at
 * most so many times the lowest figure of some peers, for each entry of `within` whose peers took part.
 */
export type Goal =
  | { readonly atLeast: number }
  | { readonly atMost: number }
  | { readonly plus: number }
  | { readonly limit: number }
  | { readonly within: readonly { readonly times: number; readonly of: readonly string[] }[] };

/** One row of the table. */
export interface Row {
  /** Key in {@linkcode Figures}. */
  readonly key: string;
  /** What it is, with its unit. */
  readonly title: string;
  readonly digits: number;
  /** Absent = reported without a goal. */
  readonly goal?: Goal;
}

/** What a measure is given. */
export interface MeasureOptions {
  readonly peer: RunningPeer;
  /** Port of the echo backend itself, for what is measured as an addition to it. */
  readonly directEchoPort: number;
  /** Is told of connections that failed. */
  readonly failed: (count: number, what: string) => void;
}

/** A measure: its name for `--only`, its rows, and how it is taken. */
export interface Measure {
  readonly name: string;
  readonly rows: readonly Row[];
  run(options: MeasureOptions): Promise<Figures>;
}

/** How long a proxy gets to write its log and settle before its CPU time or memory is read. */
const SETTLE_MS = 400;

/** Waits for {@linkcode SETTLE_MS}. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** Runs one load through the peer and counts its failures. The load's connections are closed. */
export async function runLoad(
  options: MeasureOptions,
  request: Omit<LoadRequest, "port">,
): Promise<Load["result"]> {
  await using load = await startLoad({ ...request, port: options.peer.port });
  options.failed(load.result.failed, `${options.peer.name} ${request.kind}`);
  return load.result;
}

/** The load's result, and the CPU seconds that all of the peer's processes took for it. */
export async function runTimed(
  options: MeasureOptions,
  request: Omit<LoadRequest, "port">,
): Promise<Load["result"] & { readonly cpuSeconds: number }> {
  const before = options.peer.cpuSeconds();
  const result = await runLoad(options, request);
  await settle();
  return { ...result, cpuSeconds: options.peer.cpuSeconds() - before };
}
