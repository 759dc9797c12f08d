/**
 * `deno task ok`: all that CI runs, in its order. `.ci/run` prepares a machine and then calls this.
 *
 * @module
 */

import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { runSteps, type Step } from "./steps.ts";

/** The test command of README.md. */
const TEST_COMMAND = ["npx", "-y", "deno@2.9.6", "task", "test"] as const;

/** Of the runtime that `.ci/run` finds for compiling; Deno's own version can't be had where it runs. */
const DENORT_VERSION = "2.7.11";

const FULL_FACTOR = 20;
const MINUTE_MS = 60_000;

async function isFolder(path: URL): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}

/** Every step that can be made on this machine, and a sentence for each that can't. */
async function plan(): Promise<{ steps: Step[]; skipped: string[] }> {
  const factor = Deno.env.has("MC_PROXY_TEST_FULL") ? FULL_FACTOR : 1;
  const step = (name: string, minutes: number, command: Step["command"]): Step => ({
    name,
    command,
    deadlineMs: minutes * MINUTE_MS * factor,
  });
  const task = (name: string, minutes: number): Step =>
    step(name, minutes, [Deno.execPath(), "task", "--quiet", name]);
  const skipped: string[] = [];
  const steps = [task("fmt:check", 2), task("lint", 3), task("check", 3), task("doc:lint", 3)];
  steps.push(task("gen:check", 2), task("proto", 2));
  steps.push(step("test", 16, hasProgram("npx") ? TEST_COMMAND : [Deno.execPath(), "task", "test"]));
  if (await isFolder(new URL("../../../shared/vectors/", import.meta.url))) steps.push(task("vectors", 6));
  else skipped.push("vectors skipped: there is no ../shared/vectors");
  steps.push(task("fuzz", 3));
  if (hasProgram("h2spec")) steps.push(task("h2spec", 5));
  else skipped.push("h2spec skipped: it is not installed");
  if (Deno.env.has("DENORT_BIN")) {
    steps.push(step("binary", 14, [...task("binary", 0).command, "--with", DENORT_VERSION]));
  } else skipped.push("binary skipped: DENORT_BIN names no runtime to compile with");
  return { steps, skipped };
}

async function main(): Promise<number> {
  const { steps, skipped } = await plan();
  for (const line of skipped) print(line);
  return await runSteps(steps);
}

if (import.meta.main) main().then((code) => Deno.exit(code));
