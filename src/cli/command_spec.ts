/**
 * Commands, words and options as data: the command line, its help and the shells' completion are made from them.
 *
 * @module
 */

/** What a shell offers for a value: files, or one of these words. Absent = nothing. */
export type Offered = "file" | readonly string[];

/** An option: its flags as commander writes them, and what it means, with unit and default. */
export interface OptionSpec {
  /** Such as `-f, --file <file>`. */
  readonly flags: string;
  /** What it means, with unit and default. */
  readonly meaning: string;
  /** A list of words is all that is legal. */
  readonly offered?: Offered;
  /** Whether it may be given several times. */
  readonly isRepeatable?: boolean;
  /** Whether an empty text is legal for a file: none. */
  readonly mayBeEmpty?: boolean;
  /** Whether its value is a whole number from 1 on. */
  readonly isCount?: boolean;
  /** By commander's names: options that it can't stand beside. */
  readonly conflicts?: readonly string[];
}

/** A word after the command. */
export interface WordSpec {
  /** `<required>` or `[optional]`. */
  readonly syntax: string;
  /** What it means. */
  readonly meaning: string;
  /** A list of words is all that is legal. */
  readonly offered?: Offered;
}

/** One command. */
export interface CommandSpec {
  /** Such as `routes add`. */
  readonly name: string;
  /** What it does. */
  readonly meaning: string;
  /** In their order. */
  readonly words: readonly WordSpec[];
  /** In the order of the help. */
  readonly options: readonly OptionSpec[];
  /** What follows `mc-proxy ` and the command's name, one line each. */
  readonly examples: readonly string[];
}

/** An option. */
export function option(flags: string, meaning: string, offered?: Offered): OptionSpec {
  return offered === undefined ? { flags, meaning } : { flags, meaning, offered };
}

/** A word. */
export function word(syntax: string, meaning: string, offered?: Offered): WordSpec {
  return offered === undefined ? { syntax, meaning } : { syntax, meaning, offered };
}

/** The configuration file, as every command but a few needs it. */
export const CONFIG: OptionSpec = option("-c, --config <file>", "the TOML configuration file", "file");
/** Output for scripts. */
export const JSON_OUTPUT: OptionSpec = option("--json", "print JSON");

/** What the commands of a group have in common. */
export function groupMeaning(group: string): string {
  return `Manage ${group === "firewall" ? "firewall rules" : group} of a running server`;
}
