/**
 * Where a command's text goes.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";

/** Two texts that grow: what was asked for, and what went wrong. */
export interface Output {
  /** Adds to what was asked for. */
  out(text: string): Promise<void>;
  /** Adds to what went wrong. */
  err(text: string): Promise<void>;
  /** Whether nobody reads any more what was asked for; what is written then is lost. */
  isClosed(): boolean;
}

let isReaderGone = false;

/**
 * The process's stdout and stderr. A reader that has left, such as `head`, is no error; a full disk under stdout is
 * a ProxyError unavailable, and under stderr there is nobody left to tell.
 */
export const STANDARD_OUTPUT: Output = {
  out: async (text) => {
    if (!await writeAll(Deno.stdout, text)) isReaderGone = true;
  },
  err: (text) => writeAll(Deno.stderr, text).then(() => {}, () => {}),
  isClosed: () => isReaderGone,
};

/** @returns whether somebody was there to read it */
async function writeAll(
  writer: { write(bytes: Uint8Array): Promise<number> },
  text: string,
): Promise<boolean> {
  let rest = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) rest = rest.subarray(await writer.write(rest));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    const detail = messageOf(error);
    throw new ProxyError("unavailable", `the output can't be written: ${detail}`, { cause: error });
  }
}
