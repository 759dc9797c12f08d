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

function environment(): Record<string, string> {
  const present = ENVIRONMENT.map((name) => [name, Deno.env.get(name)] as const);
  return Object.fromEntries(present.filter((pair): pair is [string, string] => pair[1] !== undefined));
}
