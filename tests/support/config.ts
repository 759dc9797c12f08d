/**
 * Configuration files for tests: a plain object becomes a TOML file in a folder of its own.
 *
 * @module
 */

import { stringify } from "smol-toml";

/** A route as TOML names it; only what is given is written. */
export interface RouteTable {
  readonly hostname: string;
  readonly backend: string;
  readonly [key: string]: unknown;
}

/** A listener as TOML names it. */
export interface ListenerTable {
  readonly addr: string;
  readonly routes?: readonly RouteTable[];
  readonly [key: string]: unknown;
}

/** A configuration as TOML names it. Absent `[database]` = `mc-proxy.db` beside the file. */
export interface ConfigTables {
  readonly database?: { readonly path: string };
  readonly listeners?: readonly ListenerTable[];
  readonly proxy?: Readonly<Record<string, unknown>>;
  readonly firewall?: Readonly<Record<string, unknown>>;
  readonly log?: Readonly<Record<string, unknown>>;
  readonly [section: string]: unknown;
}

/** A configuration file in a temporary folder, which disposal removes with all that was put there. */
export interface ConfigFile extends AsyncDisposable {
  /** The TOML file. */
  readonly path: string;
  /** Its folder; relative paths in the file start here. */
  readonly folder: string;
  /** The database that an absent `[database]` gets. */
  readonly databasePath: string;
}

/** Writes `tables` to `mc-proxy.toml` in a new temporary folder. */
export async function writeConfig(tables: ConfigTables): Promise<ConfigFile> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-test-" });
  const path = `${folder}/mc-proxy.toml`;
  await Deno.writeTextFile(path, configText(tables));
  return {
    path,
    folder,
    databasePath: `${folder}/mc-proxy.db`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** The TOML text of `tables`. */
export function configText(tables: ConfigTables): string {
  return stringify({ database: { path: "mc-proxy.db" }, ...tables });
}

/** Routes by name, as TOML wants them: `{ "a.test": "127.0.0.1:1" }`, with `more` keys on each. */
export function routes(
  backends: Readonly<Record<string, string>>,
  more: Readonly<Record<string, unknown>> = {},
): RouteTable[] {
  return Object.entries(backends).map(([hostname, backend]) => ({ hostname, backend, ...more }));
}
