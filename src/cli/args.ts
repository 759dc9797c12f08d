/**
 * The command line: which commands and options there are, and what a list of arguments asks for.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError } from "commander";
import { ADMIN_SPECS, type AdminSpec, COMMON_OPTIONS } from "./admin_specs.ts";
import { type Shell, SHELLS } from "./completion.ts";
import { VERSION } from "./version.ts";

/** What an operator asked for. Paths are as typed. */
export type CommandLine =
  | { readonly command: "server"; readonly configPath: string; readonly testingOnlyFaults: boolean }
  | { readonly command: "check"; readonly configPath: string; readonly json: boolean }
  | {
    readonly command: "snapshot";
    readonly configPath: string;
    /** Absent = a name with the time under `backups/` beside the database. */
    readonly outPath?: string;
    /** How many snapshots under `backups/` are left, 1 or more, this one included. Absent = none is removed. */
    readonly keep?: number;
    /** Ask the running server to make it. */
    readonly online: boolean;
    readonly json: boolean;
  }
  | {
    /** Asks a running server. */
    readonly command: "admin";
    /** One of {@linkcode ADMIN_SPECS}. */
    readonly name: string;
    readonly configPath: string;
    /** Positional arguments. */
    readonly words: readonly string[];
    /** By commander's names: `maxConnections` for `--max-connections`. */
    readonly options: Readonly<Record<string, unknown>>;
    readonly json: boolean;
  }
  | { readonly command: "completion"; readonly shell: Shell }
  | { readonly command: "version"; readonly json: boolean };

/** What an operator asked of one command. */
export type CommandOf<Name extends CommandLine["command"]> = Extract<CommandLine, { command: Name }>;

/** `text`: print it and exit 0 (help). `usage`: print it on stderr and exit 2. */
export type ParsedArguments =
  | { readonly kind: "command"; readonly commandLine: CommandLine }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "usage"; readonly text: string };

const HELP_COLUMNS = 100;
const EXIT_CODES = "\nExit codes: 0 ok, 1 failed, 2 wrong usage or configuration";

/**
 * Reads a command line.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseArguments(["version"]), {
 *   kind: "command",
 *   commandLine: { command: "version", json: false },
 * });
 * assert.equal(parseArguments(["server"]).kind, "usage");
 * ```
 *
 * @param args without the program's name
 */
export function parseArguments(args: readonly string[]): ParsedArguments {
  let text = "";
  let commandLine: CommandLine | undefined;
  const program = describeProgram((piece) => text += piece, (asked) => commandLine = asked);
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: error.exitCode === 0 ? "text" : "usage", text };
  }
  // commander ends in an action or an error.
  return { kind: "command", commandLine: commandLine! };
}

function describeProgram(write: (text: string) => void, ask: (commandLine: CommandLine) => void): Command {
  const program = new Command("mc-proxy")
    .description("A proxy that routes TLS connections by server name")
    .version(`mc-proxy ${VERSION}`, "--version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .showHelpAfterError("(mc-proxy help says more)")
    .exitOverride()
    // Everything that commander would ask the terminal or the environment is answered here.
    .configureOutput({
      writeOut: write,
      writeErr: write,
      getOutHelpWidth: () => HELP_COLUMNS,
      getErrHelpWidth: () => HELP_COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText("afterAll", EXIT_CODES);
  addServer(program, ask);
  addCheck(program, ask);
  addSnapshot(program, ask);
  addAdmin(program, ask);
  const completion = program.command("completion").description(
    "Print a script that completes commands in a shell",
  );
  completion.addArgument(completion.createArgument("<shell>", "the shell").choices(SHELLS))
    .action((shell: Shell) => ask({ command: "completion", shell }));
  program.command("version")
    .description("Print the versions of mc-proxy and its runtime")
    .option("--json", "print JSON")
    .action((options) => ask({ command: "version", json: options.json ?? false }));
  return program;
}

function addServer(program: Command, ask: (commandLine: CommandLine) => void): void {
  const server = addConfig(program.command("server"))
    .description("Start the proxy; it runs until SIGTERM or SIGINT")
    .action((options) =>
      ask({
        command: "server",
        configPath: options.config,
        testingOnlyFaults: options.testingOnlyFaults ?? false,
      })
    );
  server.addOption(server.createOption("--testing-only-faults").hideHelp());
}

function addCheck(program: Command, ask: (commandLine: CommandLine) => void): void {
  addConfig(program.command("check"))
    .description("Check the configuration and print what would be served; starts and changes nothing")
    .option("--json", "print JSON")
    .action((options) => ask({ command: "check", configPath: options.config, json: options.json ?? false }));
}

function addSnapshot(program: Command, ask: (commandLine: CommandLine) => void): void {
  const snapshot = addConfig(program.command("snapshot"));
  const keep = snapshot.createOption("--keep <count>", "then leave only so many of those in backups/…")
    .argParser(readCount).conflicts(["out", "online"]);
  snapshot
    .description("Copy the database to a new file and verify the copy; the server may run meanwhile")
    .option("-o, --out <file>", "the copy, which must not exist (default: backups/… beside the database)")
    .addOption(keep)
    .option("--online", "let the running server make it, over its admin API")
    .option("--json", "print JSON")
    .action((options) =>
      ask({
        command: "snapshot",
        online: options.online ?? false,
        configPath: options.config,
        ...(options.out === undefined ? {} : { outPath: options.out }),
        ...(options.keep === undefined ? {} : { keep: options.keep }),
        json: options.json ?? false,
      })
    );
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Wanted a whole number from 1 on.");
}

/** The commands of the admin API, those of one group under its name. */
function addAdmin(program: Command, ask: (commandLine: CommandLine) => void): void {
  const groups = new Map<string, Command>();
  for (const spec of ADMIN_SPECS) {
    const [group, name] = spec.name.split(" ");
    let parent = program;
    if (name !== undefined) {
      parent = groups.get(group!) ??
        program.command(group!).description(`Manage ${group} of a running server`);
      groups.set(group!, parent);
    }
    describeAdmin(addConfig(parent.command(name ?? group!)), spec, ask);
  }
}

function describeAdmin(command: Command, spec: AdminSpec, ask: (commandLine: CommandLine) => void): void {
  command.description(spec.meaning);
  for (const word of spec.positional) command.argument(word);
  for (const [flags, meaning] of [...spec.options, ...COMMON_OPTIONS]) command.option(flags, meaning);
  command.action(() => {
    const { config, json, ...options } = command.opts();
    ask({
      command: "admin",
      name: spec.name,
      configPath: config,
      words: command.args,
      options,
      json: json ?? false,
    });
  });
}

function addConfig(command: Command): Command {
  return command.requiredOption("-c, --config <file>", "the TOML configuration file");
}
