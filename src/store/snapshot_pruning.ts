/**
 * Removing the snapshots that are too old to keep.
 *
 * @module
 */

import { basename, dirname, extname, join } from "node:path";
import { ProxyError } from "../errors.ts";

/**
 * Removes the oldest snapshots beside one that has just been made and verified, so that `keep` are left. Only files
 * that bear the name which `takeSnapshot()` gives by itself are looked at: another database's snapshots, and copies
 * that a person has named, stay.
 *
 * @param databasePath the database's file
 * @param madePath the snapshot just made: never removed, whatever the clock says, and one of those kept
 * @param keep how many are left, 1 or more
 * @returns the paths of what was removed, oldest first
 * @throws {ProxyError} `database` when one can't be removed; the new snapshot stands all the same
 */
export async function pruneSnapshots(
  databasePath: string,
  madePath: string,
  keep: number,
): Promise<readonly string[]> {
  const folder = dirname(madePath);
  const extension = extname(databasePath);
  const prefix = `${basename(databasePath, extension)}-`;
  const isSnapshot = (name: string): boolean =>
    name.startsWith(prefix) && name.endsWith(extension) &&
    /^\d{8}T\d{6}Z$/.test(name.slice(prefix.length, name.length - extension.length));
  const others: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && name !== basename(madePath) && isSnapshot(name)) others.push(name);
  }
  // The time in the name has a fixed width: its order is the order of time.
  const removed = others.toSorted().slice(0, Math.max(0, others.length - (keep - 1)))
    .map((name) => join(folder, name));
  for (const path of removed) await remove(path, madePath);
  return removed;
}

async function remove(path: string, madePath: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    throw new ProxyError(
      "database",
      `snapshot "${madePath}" is made and verified, but the old "${path}" can't be removed: ${String(error)}`,
      { cause: error },
    );
  }
}
