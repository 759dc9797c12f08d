/**
 * Reads one country database and looks up every address of the vectors: what a broken one may do is done to this
 * process. Prints `refused` when it is no database, else how many lookups failed in it. Arguments: the database, the
 * file of expected answers.
 *
 * @module
 */

import { ProxyError } from "../../src/errors.ts";
import { CountryDatabase } from "../../src/net/geoip.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import { print } from "../support/print.ts";
import type { GeoipVector } from "./geoip_vectors.ts";
import { parseJsonLines } from "./result.ts";

async function main([path, expected]: readonly string[]): Promise<void> {
  const bytes = await Deno.readFile(path!);
  const vectors = parseJsonLines<GeoipVector>(await Deno.readTextFile(expected!));
  let failures = 0;
  try {
    const database = new CountryDatabase(bytes, () => failures++);
    for (const { ip } of vectors) database.country(parseIpAddress(ip)!);
    void database.builtAtMs;
    print(`${failures} lookups failed`);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    print("refused");
  }
}

if (import.meta.main) main(Deno.args);
