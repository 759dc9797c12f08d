/**
 * How the program is started: from source with exactly the flags of deno.json's task `mc-proxy`, or as the binary
 * that the environment variable MC_PROXY_BIN names.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };

/** A program and the arguments that come before its own. */
export interface ProgramCommand {
  readonly path: string;
  readonly args: readonly string[];
}

/** The project's folder, with a slash at its end. */
export const PROJECT_FOLDER: string = new URL("../../", import.meta.url).pathname;

/** The command; `binary` defaults to MC_PROXY_BIN. Throws when the task is not a plain `deno run … main.ts`. */
export function programCommand(binary: string | undefined = Deno.env.get("MC_PROXY_BIN")): ProgramCommand {
  if (binary !== undefined && binary !== "") return { path: binary, args: [] };
  return { path: Deno.execPath(), args: sourceArguments(project.tasks["mc-proxy"].command) };
}

/** The arguments of Deno in a task's `deno run FLAGS main.ts`, the entry as an absolute path. */
export function sourceArguments(command: string): string[] {
  const words = command.trim().split(/\s+/);
  const [program, ...args] = words;
  if (program !== "deno" || args[0] !== "run" || args.at(-1) !== "main.ts" || /["'$&|;<>]/.test(command)) {
    throw new TypeError(`task "mc-proxy" is not a plain "deno run FLAGS main.ts": "${command}"`);
  }
  return [...args.slice(0, -1), `${PROJECT_FOLDER}main.ts`];
}
