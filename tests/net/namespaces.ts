/**
 * Namespaces of the kernel, in which a test may have a network or a resolver of its own.
 *
 * @module
 */

/** Whether this machine lets a process have them. @param args of unshare(1), with a command that needs them */
export function canUnshare(args: readonly string[]): boolean {
  try {
    return new Deno.Command("unshare", { args: [...args], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
