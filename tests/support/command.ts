/**
 * A command that is run to its end.
 *
 * @module
 */

/** How a command ended, and all that it wrote. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command without input; after two minutes it gets SIGTERM, unless `options` have a signal of their own. */
export async function runCommand(
  path: string,
  args: readonly string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env" | "signal"> = {},
): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(path, {
    signal: AbortSignal.timeout(120_000),
    ...options,
    args: [...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}
