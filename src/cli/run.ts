/**
 * The command-line program: runs one command and says how it ended.
 *
 * @module
 */

import { ConfigError, formatIssue } from "../config/issue.ts";
import { ProxyError } from "../errors.ts";
import { printable, printableLines } from "../wire/printable.ts";
import type { CommandLine } from "./args.ts";
import { type Output, STANDARD_OUTPUT } from "./output.ts";
import { Unreachable } from "./unreachable.ts";

/** How a command ended, as a process's exit code. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** Not done, for a reason outside the command line and the configuration. */
  failed: 1,
  /** Wrong usage or configuration; nothing was started or changed. */
  usage: 2,
  /** No running server answers. */
  unreachable: 3,
} as const;

/**
 * Runs the program with a command line. Never throws: what goes wrong is printed on stderr, a sentence for what an
 * operator can mend and a stack for what is a defect of ours.
 *
 * @param args without the program's name
 * @param output where text goes; default stdout and stderr
 * @returns the exit code, one of {@linkcode EXIT}
 */
export async function run(args: readonly string[], output: Output = STANDARD_OUTPUT): Promise<number> {
  try {
    // The program starts its own workers, and they should not wait for a parser of command lines.
    if (args[0] === "worker") return await runWorkerProcess(args.slice(1));
    const { parseArguments } = await import("./args.ts");
    const parsed = parseArguments(args);
    if (parsed.kind === "command") return await runCommand(parsed.commandLine, output);
    // What was typed may be a stranger's name that a script passes on.
    const text = printableLines(parsed.text);
    await (parsed.kind === "text" ? output.out(text) : output.err(text));
    return parsed.kind === "text" ? EXIT.ok : EXIT.usage;
  } catch (error) {
    await output.err(renderError(error));
    if (error instanceof Unreachable) return EXIT.unreachable;
    return isConfigFault(error) ? EXIT.usage : EXIT.failed;
  }
}

/** The hidden command of a worker process, which only the program itself starts. */
async function runWorkerProcess(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== "--testing-only-faults");
  if (unknown !== undefined) throw new ProxyError("config", `unknown option "${unknown}" of worker`);
  const [{ runWorker }, { BUILD }] = await Promise.all([
    import("../proxy/worker.ts"),
    import("../control/program.ts"),
  ]);
  return await runWorker({ build: BUILD, testingOnlyFaults: args.length > 0 });
}

async function runCommand(commandLine: CommandLine, output: Output): Promise<number> {
  const commands = await import("./commands.ts");
  switch (commandLine.command) {
    case "server":
      return await commands.server(commandLine);
    case "check":
      return await commands.check(commandLine, output);
    case "snapshot":
      return await commands.snapshot(commandLine, output);
    case "doctor": {
      const { doctor } = await import("./doctor.ts");
      return await doctor(commandLine, output);
    }
    case "admin": {
      const { runAdmin } = await import("./admin_commands.ts");
      return await runAdmin(commandLine, output);
    }
    case "completion": {
      const [{ completionScript }, { COMMANDS }] = await Promise.all([
        import("./completion.ts"),
        import("./args.ts"),
      ]);
      await output.out(completionScript(commandLine.shell, COMMANDS));
      return 0;
    }
    case "version":
      return await commands.version(commandLine, output);
  }
}

function isConfigFault(error: unknown): boolean {
  return error instanceof ProxyError && error.code === "config";
}

/**
 * What stderr gets for an error: every mistake of a TOML file on its own line, one sentence for what an operator can
 * mend, the stack for a defect.
 */
export function renderError(error: unknown): string {
  if (error instanceof ConfigError) {
    return error.issues.map((issue) => `${printable(`${error.file}: ${formatIssue(issue)}`)}\n`).join("");
  }
  if (error instanceof ProxyError && error.code !== "internal") {
    return `mc-proxy: ${printable(error.message)}\n`;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return `mc-proxy: a defect of the program: ${text}\n`;
}
