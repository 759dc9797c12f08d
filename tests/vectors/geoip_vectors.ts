/**
 * MaxMind's country test databases through our reader, whose answers libmaxminddb has told; and their broken ones,
 * through our reader and through the running program.
 *
 * @module
 */

import { CountryDatabase } from "../../src/net/geoip.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { runCommand } from "../support/command.ts";
import { ProgramEnded } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { exchange } from "../support/raw_client.ts";
import { parseJsonLines, type VectorResult } from "./result.ts";

/** One address and the country that libmaxminddb finds it in. */
export interface GeoipVector {
  /** File name without `.mmdb`. */
  readonly db: string;
  readonly ip: string;
  /** What a firewall rule matches; `null`: unknown. */
  readonly country: string | null;
}

/** Reads the vectors of a directory. */
export async function loadGeoip(directory: string): Promise<GeoipVector[]> {
  return parseJsonLines(await Deno.readTextFile(`${directory}/geoip/expected.jsonl`));
}

/** Looks every address up. */
export async function checkGeoip(directory: string, vectors: readonly GeoipVector[]): Promise<VectorResult> {
  const wrong: string[] = [];
  for (const [name, group] of Map.groupBy(vectors, ({ db }) => db)) {
    let failures = 0;
    const bytes = await Deno.readFile(`${directory}/geoip/${name}.mmdb`);
    const database = new CountryDatabase(bytes, () => failures++);
    for (const { ip, country } of group) {
      const got = database.country(parseIpAddress(ip)!);
      if (got !== (country ?? undefined)) wrong.push(`${name}, ${ip}: wanted ${country}, got ${got}`);
    }
    if (failures > 0) wrong.push(`${name}: ${failures} lookups failed`);
  }
  return { set: "geoip", checked: vectors.length, wrong };
}

const BROKEN_MS_MAX = 20_000;

/** Every broken database of a directory. */
async function brokenDatabases(directory: string): Promise<string[]> {
  const folder = `${directory}/geoip/bad`;
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map(({ name }) => `${folder}/${name}`).toSorted();
}

/**
 * Reads broken databases, each in a process of its own that must end in time: it is no database, or every address has
 * a country or none.
 */
export async function checkBrokenGeoip(directory: string): Promise<VectorResult> {
  const wrong: string[] = [];
  const paths = await brokenDatabases(directory);
  let refused = 0;
  for (const path of paths) {
    const script = new URL("geoip_lookups.ts", import.meta.url).pathname;
    const args = ["run", "--quiet", "--allow-read", script, path, `${directory}/geoip/expected.jsonl`];
    const signal = AbortSignal.timeout(BROKEN_MS_MAX);
    const { code, out, err } = await runCommand(Deno.execPath(), args, { signal });
    if (out.trim() === "refused") refused++;
    if (code !== 0) wrong.push(`${path}: code ${code}: ${err.slice(0, 300)}`);
  }
  return { set: "geoip, broken", checked: paths.length, wrong, note: `${refused} are no database` };
}

/** Starts the program on broken databases: it refuses to start and says why, or it serves, the client's country unknown. */
export async function runBrokenGeoip(directory: string): Promise<VectorResult> {
  const wrong: string[] = [];
  const paths = await brokenDatabases(directory);
  let refused = 0;
  for (const path of paths) {
    try {
      await serveWith(path);
    } catch (error) {
      if (error instanceof ProgramEnded && isRefusal(error, path)) refused++;
      else wrong.push(`${path}: ${String(error).slice(0, 500)}`);
    }
  }
  const note = `${refused} refused at start, ${paths.length - refused} served`;
  return { set: "geoip, broken (running program)", checked: paths.length, wrong, note };
}

/** A country rule makes the program look every client up. */
async function serveWith(geoip_db: string): Promise<void> {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }],
    firewall: { geoip_db, blocked_countries: ["DE"], block_unknown_country: true },
    proxy: { workers: 1 },
  });
  const hello = clientHello({ serverName: "a.test" });
  const { bytes, end } = await exchange(proxy.addr, hello, true);
  if (bytes.toHex() !== hello.toHex() || end !== "fin") throw new Error(`${bytes.length} bytes and ${end}`);
  await stopQuietly(proxy);
}

/** A refused start has a code of its own, names the file and is no defect. */
function isRefusal({ completed: { code, stderr } }: ProgramEnded, path: string): boolean {
  return code === 1 && stderr.includes(path) && !/defect|uncaught/i.test(stderr);
}
