/**
 * `deno task compile`: the program as one file, `dist/mc-proxy`, with the permissions that the task `mc-proxy` has.
 * The runtime half (denort) is fetched by Deno itself; a host without that route names one in `DENORT_BIN`.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };
import { writeConfig } from "../support/config.ts";
import { startServer } from "../support/program.ts";
import { PROJECT_FOLDER, sourceArguments } from "../support/program_command.ts";

const OUTPUT = "dist/mc-proxy";

/** Leaves out the npm packages that only tests import: 15 MB, and code that a server has no use for. */
const NO_TEST_PACKAGES = "--exclude-unused-npm";

/** The migrations are text imports, which Deno asks this for before 2.9; a later one takes it and needs it not. */
const TEXT_IMPORTS = "--unstable-raw-imports";

/** Whether this Deno knows the flag; a host's denort may be of an older version and ask for an older Deno. */
async function hasCompileFlag(flag: string): Promise<boolean> {
  const help = await new Deno.Command(Deno.execPath(), { args: ["compile", "--help"], stdin: "null" })
    .output();
  return new TextDecoder().decode(help.stdout).includes(flag);
}

/** Runs a program with this terminal as its own. */
async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  const child = new Deno.Command(program, { args: [...args], stdin: "null" }).spawn();
  return (await child.status).success;
}

async function main(): Promise<number> {
  const [_run, ...flagsAndEntry] = sourceArguments(project.tasks["mc-proxy"].command);
  const slim = await hasCompileFlag(NO_TEST_PACKAGES) ? [NO_TEST_PACKAGES] : [];
  const args = ["compile", ...slim, TEXT_IMPORTS, "--output", OUTPUT, ...flagsAndEntry];
  if (!await succeeds(Deno.execPath(), args)) return 1;
  // A denort of another version than Deno's makes a file that can't start.
  if (!await succeeds(OUTPUT, ["version"])) return 1;
  return await serves() ? 0 : 1;
}

/** Whether the file is all there: a start loads everything that a server and its worker need. */
async function serves(): Promise<boolean> {
  await using config = await writeConfig({ proxy: { workers: 1 } });
  await using program = await startServer(config.path, {
    command: { path: `${PROJECT_FOLDER}${OUTPUT}`, args: [] },
  });
  program.signal("SIGTERM");
  return (await program.completed()).code === 0;
}

if (import.meta.main) main().then((code) => Deno.exit(code));
