/**
 * Completion of commands for shells.
 *
 * @module
 */

import { ADMIN_SPECS } from "./admin_specs.ts";

/** Shells that can be completed in. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];

/** Commands that stand outside of the admin API. */
const OTHERS = ["server", "check", "snapshot", "version", "completion", "help"];

/** The script that a shell reads. */
export function completionScript(shell: Shell): string {
  const tree = new Map<string, string[]>(OTHERS.map((name) => [name, []]));
  for (const { name } of ADMIN_SPECS) {
    const [first = "", second] = name.split(" ");
    const children = tree.get(first) ?? [];
    if (second !== undefined) children.push(second);
    tree.set(first, children);
  }
  const groups = [...tree].filter(([, children]) => children.length > 0);
  const top = [...tree.keys()].join(" ");
  if (shell === "fish") {
    const lines = [`complete -c mc-proxy -n __fish_use_subcommand -f -a "${top}"`];
    for (const [name, children] of groups) {
      lines.push(
        `complete -c mc-proxy -n "__fish_seen_subcommand_from ${name}" -f -a "${children.join(" ")}"`,
      );
    }
    return `${lines.join("\n")}\n`;
  }
  const cases = groups.map(([name, children]) => `    ${name}) words="${children.join(" ")}" ;;`);
  const bash = [
    "_mc_proxy() {",
    `  local words=""`,
    '  case "$COMP_CWORD:${COMP_WORDS[1]}" in',
    `    1:*) words="${top}" ;;`,
    ...cases.map((line) => line.replace(/^ {4}/, "    2:")),
    "  esac",
    '  if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"));',
    '  else COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")); fi',
    "}",
    "complete -F _mc_proxy mc-proxy",
  ].join("\n");
  return shell === "bash" ? `${bash}\n` : `autoload -U +X bashcompinit && bashcompinit\n${bash}\n`;
}
