/**
 * `deno task compile`: the program as one file, `dist/mc-proxy`, with the permissions that the task `mc-proxy` has.
 * Types are `deno task check`'s business.
 *
 * The runtime half (denort) is fetched by Deno itself, of exactly its own version; a host without that route names a
 * file in `DENORT_BIN`, and with `--with VERSION` a Deno of that file's version, which npx then runs.
 *
 * @module
 */

import { parseArgs } from "node:util";

import project from "../../deno.json" with { type: "json" };
import { writeConfig } from "../support/config.ts";
import { print } from "../support/print.ts";
import { startServer } from "../support/program.ts";
import { PROJECT_FOLDER, sourceArguments } from "../support/program_command.ts";

const FOLDER = `${PROJECT_FOLDER}dist/`;
/** The file that is made. */
export const BINARY = `${FOLDER}mc-proxy`;

/** The migrations are text imports, which Deno asks this for before 2.9; a later one takes it and needs it not. */
const TEXT_IMPORTS = "--unstable-raw-imports";

const OPTIONS = { with: { type: "string" }, target: { type: "string" } } as const;

/** `e_machine` of elf(5). */
const ELF_MACHINES: ReadonlyMap<number, string> = new Map([[62, "x86_64"], [183, "aarch64"]]);

interface Info {
  /** From `npm:NAME@VERSION`, as the import map has it, to what it stands for; of modules that are imported. */
  readonly redirects: Readonly<Record<string, string>>;
}

/**
 * A project file that knows the packages that the program imports, and no other: a binary holds every package that
 * its project names, and those of the tests are 150 MB.
 *
 * @param imported what the program's modules import, as the import map's right side has it
 */
export function binaryProject(imported: ReadonlySet<string>): Record<string, unknown> {
  const { unstable, nodeModulesDir, imports } = project;
  const needed = Object.entries(imports).filter(([_name, target]) => imported.has(target));
  return { unstable, nodeModulesDir, imports: Object.fromEntries(needed) };
}

/**
 * What an ELF file is for: `x86_64` or `aarch64`, as targets begin; `undefined` = anything else.
 *
 * @param header its first 20 bytes, little-endian (elf(5): `e_machine`)
 */
export function elfArchitecture(header: Uint8Array): string | undefined {
  const isElf = new TextDecoder("latin1").decode(header.subarray(0, 4)) === "\x7fELF";
  if (!isElf || header.length < 20) return undefined;
  return ELF_MACHINES.get(header[18]! | header[19]! << 8);
}

async function importedPackages(): Promise<ReadonlySet<string>> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", `${PROJECT_FOLDER}main.ts`],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error("deno info main.ts failed");
  return new Set(Object.keys((JSON.parse(new TextDecoder().decode(stdout)) as Info).redirects));
}

/** Runs a program with this terminal as its own; the milliseconds that it took, or `undefined` when it failed. */
async function run(program: string, args: readonly string[]): Promise<number | undefined> {
  const start = performance.now();
  const child = new Deno.Command(program, { args: [...args], stdin: "null", cwd: PROJECT_FOLDER }).spawn();
  return (await child.status).success ? performance.now() - start : undefined;
}

async function main(): Promise<number> {
  const { with: version, target } = parseArgs({ args: Deno.args, options: OPTIONS }).values;
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(`${FOLDER}deno.json`, JSON.stringify(binaryProject(await importedPackages())));
  await Deno.copyFile(`${PROJECT_FOLDER}deno.lock`, `${FOLDER}deno.lock`);
  const [_run, ...flagsAndEntry] = sourceArguments(project.tasks["mc-proxy"].command);
  const args = ["compile", "--quiet", "--no-check", TEXT_IMPORTS, "--output", BINARY];
  args.push("--config", `${FOLDER}deno.json`, "--lock", `${FOLDER}deno.lock`, "--frozen=false");
  if (target !== undefined) args.push("--target", target);
  args.push(...flagsAndEntry);
  const made = version === undefined
    ? await run(Deno.execPath(), args)
    : await run("npx", ["-y", `deno@${version}`, ...args]);
  if (made === undefined) return 1;
  if (!await isFor(target ?? Deno.build.target)) {
    await Deno.remove(BINARY);
    print(`the runtime (DENORT_BIN) is none for ${target ?? Deno.build.target}`);
    return 1;
  }
  const size = `${BINARY}: ${((await Deno.stat(BINARY)).size / 2 ** 20).toFixed(1)} MiB`;
  if (target !== undefined && target !== Deno.build.target) {
    print(`${size}, for ${target}: not started here`);
    return 0;
  }
  // A denort of another version than Deno's makes a file that can't start.
  const versionMs = await run(BINARY, ["version"]);
  if (versionMs === undefined) return 1;
  const readyMs = await timeToReady();
  print(`${size}, "version" in ${versionMs.toFixed(0)} ms, a server with one worker ready in ${readyMs} ms`);
  return 0;
}

async function isFor(target: string): Promise<boolean> {
  using file = await Deno.open(BINARY);
  const header = new Uint8Array(20);
  await file.read(header);
  return elfArchitecture(header) === target.split("-")[0];
}

/** A start loads everything that a server and its worker need: it shows that the file is all there. */
async function timeToReady(): Promise<number> {
  await using config = await writeConfig({ proxy: { workers: 1 } });
  const start = performance.now();
  await using program = await startServer(config.path, { command: { path: BINARY, args: [] } });
  const readyMs = Math.round(performance.now() - start);
  program.signal("SIGTERM");
  const { code } = await program.completed();
  if (code !== 0) throw new Error(`the binary's server ended with code ${code}`);
  return readyMs;
}

if (import.meta.main) main().then((code) => Deno.exit(code));
