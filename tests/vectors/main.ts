/**
 * Runs data made by other projects against ours: `deno task vectors [DIRECTORY]`, by default
 * `../shared/vectors` beside the project. Prints one line for each set and every wrong answer; exit 1 on any.
 * Without the directory there is nothing to do: it says so and exits 0.
 *
 * @module
 */

import { print } from "../support/print.ts";
import { checkClientHellos, loadClientHellos } from "./client_hello_vectors.ts";
import { checkProxyHeaders, loadProxyHeaders } from "./proxy_protocol_vectors.ts";
import { checkBrokenGeoip, checkGeoip, loadGeoip, runBrokenGeoip } from "./geoip_vectors.ts";
import { runProxyHeaders } from "./running_headers.ts";
import { runClientHellos } from "./running_hellos.ts";
import { describeResult, type VectorResult } from "./result.ts";

/** Every set, in the order in which it runs. */
const SETS: readonly ((directory: string) => Promise<VectorResult>)[] = [
  async (directory) => checkClientHellos(await loadClientHellos(directory)),
  async (directory) => checkProxyHeaders(await loadProxyHeaders(directory)),
  async (directory) => runProxyHeaders(await loadProxyHeaders(directory)),
  async (directory) => checkGeoip(directory, await loadGeoip(directory)),
  checkBrokenGeoip,
  runBrokenGeoip,
  async (directory) => runClientHellos(await loadClientHellos(directory)),
];

const WRONG_SHOWN_MAX = 20;

/** Runs every set; returns the exit code. */
export async function runVectors(directory: string): Promise<number> {
  if (!await isDirectory(directory)) {
    print(`vectors: ${directory} is not there, nothing was checked`);
    return 0;
  }
  let failed = false;
  for (const run of SETS) {
    const result = await run(directory);
    print(describeResult(result));
    for (const line of result.wrong.slice(0, WRONG_SHOWN_MAX)) print(`  ${line}`);
    failed ||= result.checked === 0 || result.wrong.length > 0;
  }
  return failed ? 1 : 0;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (import.meta.main) {
  const beside = new URL("../../../shared/vectors", import.meta.url).pathname;
  runVectors(Deno.args[0] ?? beside).then((code) => Deno.exit(code));
}
