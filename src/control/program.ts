/**
 * How this program starts itself again as another process.
 *
 * @module
 */

import denoConfig from "../../deno.json" with { type: "json" };

/** Variables that a child may see; everything else (NOTIFY_SOCKET, OTEL_*, secrets) stays here. */
const ENVIRONMENT = ["DENO_DIR", "HOME", "LANG", "PATH", "TZ", "XDG_CACHE_HOME"];

/** A command line and its environment, for `Deno.Command` with `clearEnv`. */
export interface ProgramCommand {
  /** The program's file, absolute; a compiled mc-proxy names itself. */
  readonly path: string;
  /** Everything after the path, the runtime's own flags first. */
  readonly args: string[];
  /** All that the child sees: nothing is inherited besides it. */
  readonly env: Record<string, string>;
}

/** The build, told by a worker and compared by main: version, and the runtime's. */
export const BUILD = `${denoConfig.version}+deno.${Deno.version.deno}`;

/**
 * The command that runs this program with `args`. A compiled program is itself; one from source is run by this Deno
 * with the permissions that deno.json's task `mc-proxy` states.
 */
export function programCommand(args: readonly string[]): ProgramCommand {
  return { path: Deno.execPath(), args: [...ownArguments(), ...args], env: environment() };
}

function ownArguments(): string[] {
  if (Deno.build.standalone) return [];
  const words = denoConfig.tasks["mc-proxy"].command.split(" ");
  const flags = words.slice(1, -1);
  return [...flags, "--quiet", Deno.mainModule];
}

/**
 * Leaves a worker's TLS without any root certificate of the process's own: those that a route names are the only
 * ones that vouch for its backend. `caCerts` of the runtime come on top of its store.
 */
const NO_ROOTS = { DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: "/dev/null", SSL_CERT_DIR: "/dev/null" };

function environment(): Record<string, string> {
  const present = ENVIRONMENT.map((name) => [name, Deno.env.get(name)] as const);
  const inherited = present.filter((pair): pair is [string, string] => pair[1] !== undefined);
  return { ...Object.fromEntries(inherited), ...NO_ROOTS };
}
