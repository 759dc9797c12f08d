/**
 * The commands that work without a running server, as data.
 *
 * @module
 */

import { type CommandSpec, CONFIG, JSON_OUTPUT, option, word } from "./command_spec.ts";
import { CONNECTION_OPTIONS } from "./admin_specs.ts";

/** Shells that can be completed in. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];

/** Every command. Options that only tests use are in the command line and not here. */
export const LOCAL_SPECS: readonly CommandSpec[] = [
  {
    name: "server",
    meaning: "Start the proxy; it runs until SIGTERM or SIGINT",
    words: [],
    options: [
      CONFIG,
      option(
        "--takeover",
        "relieve the server that runs on this configuration, without cutting a connection (default: none may run)",
      ),
    ],
    examples: ["server -c /etc/mc-proxy/mc-proxy.toml", "server --takeover -c /etc/mc-proxy/mc-proxy.toml"],
  },
  {
    name: "check",
    meaning:
      "Check the configuration and the files it names, and print what would be served; starts and changes " +
      "nothing; exit 0 good, 1 a file is of no use, 2 the configuration has mistakes",
    words: [],
    options: [CONFIG, JSON_OUTPUT],
    examples: ["check -c mc-proxy.toml"],
  },
  {
    name: "doctor",
    meaning:
      "Look at everything that can be wrong with host, configuration, files, backends and a running server, " +
      "and change nothing; one line each, exit 1 when something is wrong",
    words: [],
    options: [
      option("--snapshots <folder>", "where snapshots are (default: backups/ beside the database)", "file"),
      option(
        "--snapshot-max-age <duration>",
        "an older newest snapshot is an error, 0s = never (default: 48h)",
      ),
      CONFIG,
      ...CONNECTION_OPTIONS,
    ],
    examples: ["doctor -c /etc/mc-proxy/mc-proxy.toml", "doctor -c mc-proxy.toml --json"],
  },
  {
    name: "snapshot",
    meaning: "Copy the database to a new file and verify the copy; the server may run meanwhile",
    words: [],
    options: [
      option(
        "-o, --out <file>",
        "the copy, which must not exist (default: backups/… beside the database)",
        "file",
      ),
      {
        ...option("--keep <count>", "then leave only so many of those in backups/… (default: all)"),
        isCount: true,
        conflicts: ["out", "online"],
      },
      option("--online", "let the running server make it, over its admin API (default: copy here)"),
      option("-c, --config <file>", `${CONFIG.meaning}; not needed with --online and --addr`, "file"),
      ...CONNECTION_OPTIONS,
    ],
    examples: [
      "snapshot -c mc-proxy.toml --keep 14",
      "snapshot --online -c mc-proxy.toml -o /var/tmp/mc-proxy.db",
    ],
  },
  {
    name: "completion",
    meaning: "Print a script that completes commands and options in a shell",
    words: [word("<shell>", "the shell", SHELLS)],
    options: [],
    examples: [
      "completion bash > /etc/bash_completion.d/mc-proxy",
      "completion zsh > /usr/local/share/zsh/site-functions/_mc-proxy",
      "completion fish > /etc/fish/completions/mc-proxy.fish",
    ],
  },
  {
    name: "version",
    meaning: "Print the versions of mc-proxy and its runtime",
    words: [],
    options: [JSON_OUTPUT],
    examples: ["version"],
  },
];
