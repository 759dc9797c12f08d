/**
 * Runs commands one after the other, passes their output on as it comes, and adds up what their test runs say.
 *
 * @module
 */

import { print } from "../support/print.ts";

/** What a test run says of itself in its summary line. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/** One command of a run. */
export interface Step {
  readonly name: string;
  /** Program and arguments; no shell. */
  readonly command: readonly [string, ...string[]];
  /** After this long the command and all it started are killed, and the step has failed. */
  readonly deadlineMs: number;
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a step ended. */
export interface Outcome extends Counts {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
}

/** Takes whole lines without the last line feed. */
export type Print = (text: string) => void;

// deno-lint-ignore no-control-regex -- colours are written as control characters
const COLOUR = /\x1b\[[0-9;]*m/g;
const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed/;
const IGNORED = /\| (\d+) ignored/;

/**
 * Reads the summary line of `deno test`, such as `ok | 12 passed (34 steps) | 0 failed (1s)`; coloured or not.
 * `undefined` for every other line.
 */
export function parseSummary(line: string): Counts | undefined {
  const plain = line.replace(COLOUR, "").trim();
  const summary = SUMMARY.exec(plain);
  if (summary === null) return undefined;
  const ignored = IGNORED.exec(plain);
  return { passed: Number(summary[1]), failed: Number(summary[2]), ignored: Number(ignored?.[1] ?? 0) };
}

/** All tests of all outcomes together. A failed step in which no test failed counts as one failure. */
export function total(outcomes: readonly Outcome[]): Counts {
  let [passed, failed, ignored] = [0, 0, 0];
  for (const outcome of outcomes) {
    passed += outcome.passed;
    failed += outcome.ok ? outcome.failed : Math.max(outcome.failed, 1);
    ignored += outcome.ignored;
  }
  return { passed, failed, ignored };
}

/** The table of outcomes and, as its last line, `N passed, N failed`. */
export function report(outcomes: readonly Outcome[]): string {
  const { passed, failed, ignored } = total(outcomes);
  const rows = outcomes.map((outcome) => {
    const tests = outcome.passed + outcome.failed > 0
      ? `${outcome.passed} passed, ${outcome.failed} failed${
        outcome.ignored > 0 ? `, ${outcome.ignored} ignored` : ""
      }`
      : "";
    const state = outcome.ok ? "ok" : "FAILED";
    return `${state.padEnd(7)}${outcome.name.padEnd(12)}${outcome.seconds.toFixed(1).padStart(7)} s  ${tests}`
      .trimEnd();
  });
  if (ignored > 0) rows.push(`${ignored} ignored`);
  return ["", ...rows, `${passed} passed, ${failed} failed`].join("\n");
}

/** Runs every step, also after one has failed, and prints the report. Returns the exit code: 0 or 1. */
export async function runSteps(steps: readonly Step[], write: Print = print): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    write(`\n== ${step.name}: ${step.command.join(" ")}`);
    outcomes.push(await runStep(step, write));
  }
  write(report(outcomes));
  return outcomes.every((outcome) => outcome.ok) ? 0 : 1;
}

async function runStep(step: Step, write: Print): Promise<Outcome> {
  const start = performance.now();
  const [program, ...args] = step.command;
  // A group of its own, so that the deadline also ends what the command has started.
  const child = new Deno.Command(program, {
    args,
    ...(step.env !== undefined && { env: step.env }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const kill = () => Deno.kill(-child.pid, "SIGKILL");
  const interrupt = () => (kill(), Deno.exit(130));
  let late = false;
  const deadline = setTimeout(() => (late = true, kill()), step.deadlineMs);
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  const counts = { passed: 0, failed: 0, ignored: 0 };
  const add = (line: string): void => {
    const found = parseSummary(line);
    counts.passed += found?.passed ?? 0;
    counts.failed += found?.failed ?? 0;
    counts.ignored += found?.ignored ?? 0;
  };
  await Promise.all([relay(child.stdout, write, add), relay(child.stderr, write, add)]);
  const status = await child.status;
  clearTimeout(deadline);
  Deno.removeSignalListener("SIGINT", interrupt);
  Deno.removeSignalListener("SIGTERM", interrupt);
  if (late) write(`${step.name}: killed after ${step.deadlineMs / 1000} s`);
  return { name: step.name, ok: status.success, seconds: (performance.now() - start) / 1000, ...counts };
}

/** Passes whole lines on, so that the two streams don't cut into each other, and shows each to `see`. */
async function relay(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  write: Print,
  see: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) see(line);
    if (lines.length > 0) write(lines.join("\n"));
  }
  if (rest === "") return;
  see(rest);
  write(rest);
}
