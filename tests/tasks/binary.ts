/**
 * `deno task binary`: makes the binary and runs the scenarios of tests/e2e against it: all of them when its
 * runtime is the project's Deno or later, and of an older one those that it can do. Arguments are those of
 * `deno task compile`.
 *
 * @module
 */

import { print } from "../support/print.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { BINARY } from "./compile.ts";
import { runSteps, type Step } from "./steps.ts";

/** The runtime that the program is written for. */
const WANTED = "2.9.6";

/** What an older runtime can't do, in files of tests/e2e that need it. */
const BEYOND_OLDER: readonly (readonly [why: string, ...files: string[]])[] = [
  ["TLS and HTTP (its node:tls can't take over a connection)", "l7_*_test.ts"],
  [
    "the admin API (its node:net doesn't tell the descriptor, so not who calls)",
    "admin_*_test.ts",
    "explain_test.ts",
    "runbook_test.ts",
    "takeover_*test.ts",
  ],
];

/** Scenarios mostly wait. */
const FILES_AT_ONCE = "2";

const MINUTE_MS = 60_000;

/** Whether Deno `version` is at least {@linkcode WANTED}; both as `MAJOR.MINOR.PATCH`. */
export function isRecent(version: string): boolean {
  const [found, wanted] = [version, WANTED].map((text) => text.split(".").map(Number)) as [
    number[],
    number[],
  ];
  for (const [index, part] of wanted.entries()) {
    if (found[index] !== part) return (found[index] ?? 0) > part;
  }
  return true;
}

/** The version of Deno in what the binary says of itself. */
async function runtimeOf(binary: string): Promise<string> {
  const { stdout } = await new Deno.Command(binary, { args: ["version"], stdin: "null" }).output();
  const found = /\(Deno ([\d.]+),/.exec(new TextDecoder().decode(stdout))?.[1];
  if (found === undefined) throw new Error(`${binary} doesn't say its Deno's version`);
  return found;
}

async function main(): Promise<number> {
  const compile = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${PROJECT_FOLDER}tests/tasks/compile.ts`, ...Deno.args],
    stdin: "null",
  }).spawn();
  if (!(await compile.status).success) return 1;
  const version = await runtimeOf(BINARY);
  const left = isRecent(version) ? [] : BEYOND_OLDER;
  const ignored = left.flatMap(([_why, ...files]) => files.map((file) => `tests/e2e/${file}`));
  const step: Step = {
    name: "binary",
    command: [
      Deno.execPath(),
      "test",
      "-A",
      "--no-check",
      "--parallel",
      `--ignore=${ignored.join(",")}`,
      "tests/e2e/**/*_test.ts",
    ],
    env: { MC_PROXY_BIN: BINARY, DENO_JOBS: FILES_AT_ONCE },
    deadlineMs: 12 * MINUTE_MS,
  };
  const code = await runSteps([step]);
  for (const [why] of left) print(`not tried with the binary, whose runtime is Deno ${version}: ${why}`);
  return code;
}

if (import.meta.main) main().then((code) => Deno.exit(code));
