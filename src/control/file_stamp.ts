/**
 * Whether a file is another one than it was.
 *
 * @module
 */

/** The stamp of a file that can't be looked at. */
export const GONE = "none";

/**
 * Different for a file that was written, replaced or given other rights, which may be all that a reading lacked;
 * {@linkcode GONE} for one that can't be looked at.
 */
export async function stampOf(path: string): Promise<string> {
  try {
    const { size, mtime, ctime, ino } = await Deno.stat(path);
    return `${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
  } catch {
    return GONE;
  }
}
