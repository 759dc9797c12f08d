/**
 * `deno task compile`: the program as one file, `dist/mc-proxy`, with the permissions that the task `mc-proxy` has.
 * The runtime half (denort) is fetched by Deno itself; a host without that route names one in `DENORT_BIN`.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };
import { sourceArguments } from "../support/program_command.ts";

const OUTPUT = "dist/mc-proxy";

/** Runs a program with this terminal as its own. */
async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  const child = new Deno.Command(program, { args: [...args], stdin: "null" }).spawn();
  return (await child.status).success;
}

async function main(): Promise<number> {
  const [_run, ...flagsAndEntry] = sourceArguments(project.tasks["mc-proxy"].command);
  if (!await succeeds(Deno.execPath(), ["compile", "--output", OUTPUT, ...flagsAndEntry])) return 1;
  // A denort of another version than Deno's makes a file that can't start.
  return await succeeds(OUTPUT, ["version"]) ? 0 : 1;
}

if (import.meta.main) main().then((code) => Deno.exit(code));
