/**
 * Whether a machine has a program that a test can do without.
 *
 * @module
 */

/** Whether a program of this name can be started. */
export function hasProgram(name: string): boolean {
  try {
    new Deno.Command(name, { args: ["--version"], stdin: "null", stdout: "null", stderr: "null" })
      .outputSync();
    return true;
  } catch {
    return false;
  }
}
