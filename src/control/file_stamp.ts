/**
 * Whether a file is another one than it was.
 *
 * @module
 */

/** Different for a file that was written or replaced; `none` for one that can't be looked at. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { size, mtime, ino } = await Deno.stat(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch {
    return "none";
  }
}
