/**
 * Completion of commands, options and their values for shells: scripts that know all of them, so that a press of the
 * tabulator starts no program.
 *
 * @module
 */

import { type CommandSpec, groupMeaning, type Offered } from "./command_spec.ts";
import type { Shell } from "./local_specs.ts";

/** What stands behind a word of the command line: `""` for the program itself, `routes`, `routes add`. */
interface Place {
  readonly path: string;
  /** Commands below it, with what they do. */
  readonly commands: readonly (readonly [name: string, meaning: string])[];
  /** Flags with what they mean and, of those that take a value, what is offered. */
  readonly flags: readonly Flag[];
  /** What is offered as first word. */
  readonly offered: Offered | undefined;
}

interface Flag {
  readonly names: readonly string[];
  readonly meaning: string;
  readonly takesValue: boolean;
  readonly offered: Offered | undefined;
}

const HELP: Flag = { names: ["-h", "--help"], meaning: "print help", takesValue: false, offered: undefined };

/** The script that a shell reads. @param commands every command */
export function completionScript(shell: Shell, commands: readonly CommandSpec[]): string {
  const places = placesOf(commands);
  switch (shell) {
    case "bash":
      return bashScript(places);
    case "zsh":
      return zshScript(places);
    case "fish":
      return fishScript(places);
  }
}

function placesOf(commands: readonly CommandSpec[]): Place[] {
  const top: [string, string][] = [];
  const groups = new Map<string, [string, string][]>();
  for (const { name, meaning } of commands) {
    const [group = "", below] = name.split(" ");
    if (below === undefined) {
      top.push([name, meaning]);
      continue;
    }
    if (!groups.has(group)) {
      groups.set(group, []);
      top.push([group, groupMeaning(group)]);
    }
    groups.get(group)!.push([below, meaning]);
  }
  top.push(["help", "print help for a command"]);
  const version = {
    names: ["--version"],
    meaning: "print the version",
    takesValue: false,
    offered: undefined,
  };
  return [
    { path: "", commands: top, flags: [HELP, version], offered: undefined },
    ...[...groups].map(([path, below]) => ({ path, commands: below, flags: [HELP], offered: undefined })),
    ...commands.map(({ name, options, words }) => ({
      path: name,
      commands: [],
      flags: [...options.map(flagOf), HELP],
      offered: words[0]?.offered,
    })),
  ];
}

function flagOf({ flags, meaning, offered }: CommandSpec["options"][number]): Flag {
  const names = flags.split(/, | /).filter((part) => part.startsWith("-"));
  return { names, meaning, takesValue: flags.includes("<"), offered };
}

/** The function that finds the place and offers words, for shells that have bash's grammar. */
function findPlace(places: readonly Place[], word: string): string[] {
  const paths = places.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  return [
    `    case "\${place:+$place }${word}" in`,
    `      ${paths.join("|")}) place="\${place:+$place }${word}" ;;`,
    "    esac",
  ];
}

function bashScript(places: readonly Place[]): string {
  return [
    "# mc-proxy: completion for bash",
    "_mc_proxy() {",
    '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" place="" words="" index',
    "  COMPREPLY=()",
    "  for ((index = 1; index < COMP_CWORD; index++)); do",
    ...findPlace(places, "${COMP_WORDS[index]}"),
    "  done",
    '  case "$place:$prev" in',
    ...valueCases(places, {
      file: 'COMPREPLY=($(compgen -f -- "$cur")); return',
      words: (list) => `COMPREPLY=($(compgen -W "${list}" -- "$cur")); return`,
      nothing: "return",
    }),
    "  esac",
    '  case "$place" in',
    ...places.map((place) => `    "${place.path}") words="${wordsOf(place).join(" ")}" ;;`),
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    "}",
    "complete -o filenames -F _mc_proxy mc-proxy",
    "",
  ].join("\n");
}

function zshScript(places: readonly Place[]): string {
  return [
    "#compdef mc-proxy",
    "# mc-proxy: completion for zsh",
    "_mc_proxy() {",
    '  local place="" word previous="$words[CURRENT-1]"',
    "  local -a offered",
    '  for word in "${(@)words[2,CURRENT-1]}"; do',
    ...findPlace(places, "$word"),
    "  done",
    '  case "$place:$previous" in',
    ...valueCases(places, {
      file: "_files; return",
      words: (list) => `compadd -- ${list}; return`,
      nothing: "return",
    }),
    "  esac",
    '  case "$place" in',
    ...places.map((place) => `    "${place.path}") offered=(${wordsOf(place).join(" ")}) ;;`),
    "  esac",
    '  compadd -- "${offered[@]}"',
    "}",
    "# Read from a folder of $fpath it is the function's body; read by `source` it has to be named.",
    'if [ "$funcstack[1]" = "_mc-proxy" ]; then _mc_proxy "$@"; else compdef _mc_proxy mc-proxy; fi',
    "",
  ].join("\n");
}

/** One line of a `case` for each flag that takes a value. */
function valueCases(
  places: readonly Place[],
  action: { readonly file: string; words(list: string): string; readonly nothing: string },
): string[] {
  return places.flatMap(({ path, flags }) =>
    flags.filter(({ takesValue }) => takesValue).map(({ names, offered }) => {
      const patterns = names.map((name) => `"${path}:${name}"`).join("|");
      const what = offered === undefined
        ? action.nothing
        : offered === "file"
        ? action.file
        : action.words(offered.join(" "));
      return `    ${patterns}) ${what} ;;`;
    })
  );
}

function wordsOf({ commands, flags, offered }: Place): string[] {
  return [
    ...commands.map(([name]) => name),
    ...(typeof offered === "object" ? offered : []),
    ...flags.flatMap(({ names }) => names),
  ];
}

function fishScript(places: readonly Place[]): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== "");
  const lines = [
    "# mc-proxy: completion for fish",
    "function __mc_proxy_at",
    "  set -l place",
    "  for word in (commandline -opc)[2..-1]",
    '    set -l next (string join -- " " $place $word)',
    `    if contains -- "$next" ${paths.map(quoted).join(" ")}`,
    "      set place $next",
    "    end",
    "  end",
    '  test "$place" = "$argv[1]"',
    "end",
    "complete -c mc-proxy -f",
  ];
  for (const place of places) {
    const begin = `complete -c mc-proxy -n ${quoted(`__mc_proxy_at "${place.path}"`)}`;
    for (const [name, meaning] of place.commands) lines.push(`${begin} -a ${name} -d ${quoted(meaning)}`);
    if (typeof place.offered === "object") lines.push(`${begin} -a ${quoted(place.offered.join(" "))}`);
    for (const { names, meaning, takesValue, offered } of place.flags) {
      const flags = names.map((name) =>
        name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
      );
      const value = !takesValue
        ? ""
        : offered === "file"
        ? " -r -F"
        : ` -x${offered === undefined ? "" : ` -a ${quoted(offered.join(" "))}`}`;
      lines.push(`${begin} ${flags.join(" ")}${value} -d ${quoted(meaning)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
