/**
 * The database and its snapshots.
 *
 * @module
 */

import { basename, dirname, extname, join } from "node:path";
import { statfs } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import type { Configuration } from "../state/model.ts";
import { inspectDatabase, type Inspection } from "../store/inspect.ts";
import { error, type Finding, ok, warning } from "./finding.ts";

const MIB = 1 << 20;
/** Free room below which the next change or snapshot may be the last. */
const FREE_BYTES_MIN = 64 * MIB;

/** What was found, and what the database holds when it could be read. */
export interface DatabaseFindings {
  /** Integrity, then free room. */
  readonly findings: readonly Finding[];
  /** Absent = there is none, or it can't be read. */
  readonly configuration?: Configuration;
}

/** Reads every page of the database, and asks how much room there is beside it. @param isServed whether it should be there */
export async function databaseFindings(path: string, isServed: boolean): Promise<DatabaseFindings> {
  const size = await sizeOf(path);
  const room = await roomFindings(dirname(path), size ?? 0);
  if (size === undefined) {
    const detail = isServed
      ? `"${path}" has gone under a running server: save its configuration before it stops (mc-proxy export -c FILE), and make it anew from that`
      : `"${path}" isn't there; the first start makes it`;
    return { findings: [isServed ? error("database", detail) : warning("database", detail), ...room] };
  }
  let inspected: Inspection;
  try {
    inspected = inspectDatabase(path);
  } catch (cause) {
    return { findings: [error("database", messageOf(cause)), ...room] };
  }
  const { revision, configuration } = inspected;
  const detail = `"${path}" is sound, ${size} bytes, revision ${revision}`;
  return { findings: [ok("database", detail), ...room], configuration };
}

async function roomFindings(folder: string, databaseBytes: number): Promise<Finding[]> {
  try {
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const needed = Math.max(FREE_BYTES_MIN, 2 * databaseBytes);
    const detail = `${Math.floor(free / MIB)} MiB free in "${folder}"`;
    return [
      free < needed
        ? warning("disk", `${detail}: a snapshot and a change need ${Math.ceil(needed / MIB)} MiB`)
        : ok("disk", detail),
    ];
  } catch (cause) {
    return [error("disk", `folder "${folder}" of the database can't be read: ${messageOf(cause)}`)];
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    return 0;
  }
}

/** Which snapshots are looked at. */
export interface SnapshotOptions {
  /** Absent = `backups/` beside the database. */
  readonly folder?: string;
  /** An older newest one is an error; 0 = no matter. */
  readonly ageMaxMs: number;
}

/** Says how old the newest snapshot is. @param nowMs Unix ms */
export async function snapshotFinding(
  databasePath: string,
  options: SnapshotOptions,
  nowMs: number,
): Promise<Finding> {
  const folder = options.folder ?? join(dirname(databasePath), "backups");
  const extension = extname(databasePath);
  // Beside the database there may be copies of other databases; in a folder that was named all are meant.
  const prefix = options.folder === undefined ? `${basename(databasePath, extension)}-` : "";
  let newest: { path: string; timeMs: number } | undefined;
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || name.startsWith(".") || !name.startsWith(prefix) || !name.endsWith(extension)) continue;
      const path = join(folder, name);
      const timeMs = (await Deno.stat(path)).mtime?.getTime() ?? 0;
      if (newest === undefined || timeMs > newest.timeMs) newest = { path, timeMs };
    }
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) {
      return warning("snapshot", `"${folder}": ${messageOf(cause)}`);
    }
  }
  if (newest === undefined) {
    return warning("snapshot", `there is none in "${folder}": mc-proxy snapshot -c FILE takes one`);
  }
  const ageMs = nowMs - newest.timeMs;
  const hours = Math.floor(ageMs / 3_600_000);
  const detail = `"${newest.path}" is ${hours} h old`;
  if (options.ageMaxMs === 0 || ageMs <= options.ageMaxMs) return ok("snapshot", detail);
  return error(
    "snapshot",
    `${detail}, and no newer one was made: see systemctl status mc-proxy-snapshot.timer`,
  );
}
