/**
 * Output of the project's own tools.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Writes `text` and a line feed to standard output; what can't be written because the reader is gone is dropped. */
export function print(text = ""): void {
  write(Deno.stdout, text);
}

/** The same on standard error. */
export function printError(text: string): void {
  write(Deno.stderr, text);
}

function write(stream: typeof Deno.stdout, text: string): void {
  try {
    const bytes = encoder.encode(`${text}\n`);
    for (let sent = 0; sent < bytes.length;) sent += stream.writeSync(bytes.subarray(sent));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
