/**
 * Feeds mutated input to every parser of peers' bytes: `deno task fuzz [--count N] [--seed S] [--target NAME]`.
 * Prints the seed, with which a run can be repeated; exit 1 on the first finding of any parser. With
 * `MC_PROXY_TEST_FULL` (`deno task full`) each gets a million inputs.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { print } from "../support/print.ts";
import { fuzz as fuzzClientHello } from "./client_hello_fuzz.ts";
import { fuzz as fuzzHttp1 } from "./http1_fuzz.ts";
import { fuzz as fuzzHttp2 } from "./http2_fuzz.ts";
import { type Random, seededRandom } from "./mutate.ts";
import { fuzz as fuzzProxyProtocol } from "./proxy_protocol_fuzz.ts";

/** Runs `count` inputs; throws on a finding, with the input in the message. */
type Fuzz = (count: number, random: Random) => void;

/** Every parser of peers' bytes. */
const TARGETS: readonly (readonly [name: string, fuzz: Fuzz])[] = [
  ["client_hello", fuzzClientHello],
  ["proxy_protocol", fuzzProxyProtocol],
  ["http1", fuzzHttp1],
  ["http2", fuzzHttp2],
];

const COUNT = 20_000;
const COUNT_FULL = 1_000_000;
/** What one target may leave behind; a parser that keeps something for each input passes it. */
const GROWTH_BYTES_MAX = 512 * 1024 * 1024;

/** Runs every target, or the one of that name; returns the exit code. */
export function runFuzz(count: number, seed: number, target?: string): number {
  print(`fuzz: ${count} inputs each, seed ${seed} (repeat with --seed ${seed} --count ${count})`);
  let failed = false;
  for (const [name, fuzz] of TARGETS) {
    if (target !== undefined && name !== target) continue;
    const startMs = performance.now();
    const before = Deno.memoryUsage().rss;
    try {
      fuzz(count, seededRandom(seed));
      const grown = Deno.memoryUsage().rss - before;
      if (grown > GROWTH_BYTES_MAX) throw new Error(`${grown} bytes were left behind`);
      print(`${name}: ${count} inputs, no finding, ${Math.round(performance.now() - startMs)} ms`);
    } catch (error) {
      failed = true;
      print(`${name}: FOUND ${Deno.inspect(error)}`);
    }
  }
  return failed ? 1 : 0;
}

function main(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: { count: { type: "string" }, seed: { type: "string" }, target: { type: "string" } },
  });
  const count = Number(values.count ?? (Deno.env.has("MC_PROXY_TEST_FULL") ? COUNT_FULL : COUNT));
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  const isTarget = values.target === undefined || TARGETS.some(([name]) => name === values.target);
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed) || !isTarget) {
    print(
      `usage: deno task fuzz [--count N] [--seed S] [--target ${TARGETS.map(([name]) => name).join("|")}]`,
    );
    return 2;
  }
  return runFuzz(count, seed, values.target);
}

if (import.meta.main) Deno.exit(main(Deno.args));
