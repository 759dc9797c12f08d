/**
 * Where a command's text goes.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";

/** Two texts that grow: what was asked for, and what went wrong. */
export interface Output {
  /** Adds to what was asked for. */
  out(text: string): Promise<void>;
  /** Adds to what went wrong. */
  err(text: string): Promise<void>;
}

/**
 * The process's stdout and stderr. A reader that has left, such as `head`, is no error; a full disk under stdout is
 * a ProxyError unavailable, and under stderr there is nobody left to tell.
 */
export const STANDARD_OUTPUT: Output = {
  out: (text) => writeAll(Deno.stdout, text),
  err: (text) => writeAll(Deno.stderr, text).catch(() => {}),
};

async function writeAll(writer: { write(bytes: Uint8Array): Promise<number> }, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) rest = rest.subarray(await writer.write(rest));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    const detail = error instanceof Error ? error.message : String(error);
    throw new ProxyError("unavailable", `the output can't be written: ${detail}`, { cause: error });
  }
}
