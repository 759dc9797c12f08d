/**
 * The command line: what a list of arguments asks for.
 *
 * @module
 */

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ADMIN_SPECS } from "./admin_specs.ts";
import { type CommandSpec, groupMeaning, type OptionSpec, type WordSpec } from "./command_spec.ts";
import { LOCAL_SPECS, type Shell } from "./local_specs.ts";
import { VERSION } from "./version.ts";

/** Options by commander's names: `maxConnections` for `--max-connections`. Absent = not given. */
export type Options = Readonly<Record<string, unknown>>;

/** What an operator asked for. Paths are as typed. */
export type CommandLine =
  | {
    readonly command: "server";
    readonly configPath: string;
    /** Take the place of the server that runs on the same configuration, if one does. */
    readonly takeover: boolean;
    readonly testingOnlyFaults: boolean;
    /** A step of a hand-over at which the process stops itself; absent = none. */
    readonly testingOnlyHaltAt?: string;
  }
  | { readonly command: "check"; readonly configPath: string; readonly json: boolean }
  | {
    readonly command: "snapshot";
    readonly configPath: string;
    /** Absent = a name with the time under `backups/` beside the database. */
    readonly outPath?: string;
    /** How many snapshots under `backups/` are left, 1 or more, this one included. Absent = none is removed. */
    readonly keep?: number;
    readonly json: boolean;
  }
  | {
    readonly command: "doctor";
    readonly configPath: string;
    /** All but `config` and `json`. */
    readonly options: Options;
    readonly json: boolean;
  }
  | {
    /** Asks a running server. */
    readonly command: "admin";
    /** One of {@linkcode ADMIN_SPECS}, or `snapshot`. */
    readonly name: string;
    /** Absent = there is none, and `--addr` says where the server is. */
    readonly configPath?: string;
    /** Positional arguments. */
    readonly words: readonly string[];
    /** All but `config` and `json`. */
    readonly options: Options;
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

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [...LOCAL_SPECS, ...ADMIN_SPECS];

const HELP_COLUMNS = 100;
const EXIT_CODES = "\nExit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 no server answers";
/** Commands that mean nothing without a configuration. */
const NEED_CONFIG: ReadonlySet<string> = new Set(["server", "check", "doctor"]);
const NO_CONFIG: ReadonlySet<string> = new Set(["completion", "version"]);

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
  helpAfterError(program, "");
  const groups = new Map<string, Command>();
  for (const spec of COMMANDS) {
    const [group = "", name] = spec.name.split(" ");
    if (name === undefined) describeCommand(program.command(group), spec, ask);
    else describeCommand(groupOf(program, groups, group).command(name), spec, ask);
  }
  return program;
}

function groupOf(program: Command, groups: Map<string, Command>, name: string): Command {
  let group = groups.get(name);
  if (group === undefined) {
    group = helpAfterError(program.command(name), name)
      .description(groupMeaning(name))
      .helpCommand(false);
    groups.set(name, group);
  }
  return group;
}

function describeCommand(
  command: Command,
  spec: CommandSpec,
  ask: (commandLine: CommandLine) => void,
): void {
  command.description(spec.meaning);
  helpAfterError(command, spec.name);
  for (const word of spec.words) command.addArgument(argumentOf(word));
  for (const option of spec.options) command.addOption(optionOf(option));
  if (spec.name === "server") {
    command.addOption(new Option("--testing-only-faults").hideHelp());
    command.addOption(new Option("--testing-only-halt-at <step>").hideHelp());
  }
  const examples = spec.examples.map((example) => `\n  mc-proxy ${example}`).join("");
  command.addHelpText("after", `\n${spec.examples.length === 1 ? "Example" : "Examples"}:${examples}`);
  command.action(() => {
    const options: Options = command.opts();
    requireConfig(command, spec.name, options);
    ask(commandLineOf(spec.name, command.args, options));
  });
}

/** The file can be left out where the server's address says all. */
function requireConfig(command: Command, name: string, options: Options): void {
  if (options["config"] !== undefined || NO_CONFIG.has(name)) return;
  const asksServer = !NEED_CONFIG.has(name) && (name !== "snapshot" || options["online"] === true);
  if (asksServer && options["addr"] !== undefined) return;
  const byAddress = name === "snapshot"
    ? ", or the server by --online and --addr ADDR"
    : ", or the server by --addr ADDR";
  command.error(`error: no configuration: name it by -c FILE${NEED_CONFIG.has(name) ? "" : byAddress}`);
}

function commandLineOf(
  name: string,
  words: readonly string[],
  { config, json = false, online, testingOnlyFaults = false, testingOnlyHaltAt: haltAt, ...options }: Options,
): CommandLine {
  const configPath = config as string;
  const isJson = json === true;
  switch (name) {
    case "server":
      return {
        command: "server",
        configPath,
        takeover: options["takeover"] === true,
        testingOnlyFaults: testingOnlyFaults === true,
        ...(typeof haltAt === "string" && { testingOnlyHaltAt: haltAt }),
      };
    case "check":
      return { command: "check", configPath, json: isJson };
    case "doctor":
      return { command: "doctor", configPath, options, json: isJson };
    case "completion":
      return { command: "completion", shell: words[0] as Shell };
    case "version":
      return { command: "version", json: isJson };
    case "snapshot":
      if (online === true) break;
      return {
        command: "snapshot",
        configPath,
        ...(options["out"] !== undefined && { outPath: options["out"] as string }),
        ...(options["keep"] !== undefined && { keep: options["keep"] as number }),
        json: isJson,
      };
  }
  return {
    command: "admin",
    name,
    ...(configPath !== undefined && { configPath }),
    words,
    options,
    json: isJson,
  };
}

function argumentOf({ syntax, meaning, offered }: WordSpec): Argument {
  const argument = new Argument(syntax, meaning);
  return typeof offered === "object" ? argument.choices([...offered]) : argument;
}

function optionOf(
  { flags, meaning, offered, isRepeatable, isCount, mayBeEmpty, conflicts }: OptionSpec,
): Option {
  const option = new Option(flags, meaning).conflicts([...conflicts ?? []]);
  if (typeof offered === "object") option.choices([...offered]);
  if (isRepeatable) {
    option.argParser((value: string, before: readonly string[] | undefined) => [...before ?? [], value]);
  }
  if (isCount) option.argParser(readCount);
  if (offered === "file" && !mayBeEmpty) option.argParser(readPath);
  return option;
}

function readPath(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("Wanted a file, got nothing.");
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Wanted a whole number from 1 on.");
}

function helpAfterError(command: Command, name: string): Command {
  return command.showHelpAfterError(`(mc-proxy ${`${name} --help`.trim()} says more)`);
}
