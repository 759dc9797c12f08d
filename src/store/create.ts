/**
 * Creating a database: made whole under another name, then renamed. At no moment does a half-made database have
 * the real name, so `kill -9` leaves either none or revision 1.
 *
 * @module
 */

import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import type { Configuration } from "../state/model.ts";
import { migrate } from "./migrate.ts";
import { configure } from "./open.ts";
import { writeSeed } from "./revisions.ts";
import { guarded } from "./sqlite_error.ts";

/**
 * Creates the database file with `configuration` as revision 1, mode 0600, on disk when this returns.
 *
 * @param path where nothing exists; the caller holds its lock
 * @param timeMs the revision's time, Unix ms
 * @throws {ProxyError} `database` when it can't be written; no file of that name exists then
 */
export function createDatabase(path: string, configuration: Configuration, timeMs: number): void {
  const draft = `${path}.new`;
  guarded(path, () => {
    removeDraft(draft);
    try {
      Deno.openSync(draft, { write: true, createNew: true, mode: 0o600 }).close();
      fill(draft, configuration, timeMs);
      if (exists(path)) {
        throw new ProxyError("busy", `database "${path}" was created by another program meanwhile`);
      }
      Deno.renameSync(draft, path);
    } catch (error) {
      removeDraft(draft);
      throw error;
    }
    // The new name itself must survive a power cut.
    using folder = Deno.openSync(dirname(path));
    folder.syncSync();
  });
}

/**
 * Whether a file has the database's name.
 *
 * @throws {ProxyError} `database` when a folder has it, or when there is none but changes of one stand in its `-wal`:
 * SQLite would mix them into a new database
 */
export function exists(path: string): boolean {
  const found = look(path);
  if (found?.isDirectory) throw new ProxyError("database", `database "${path}" is a folder; name a file`);
  if (found !== undefined) return true;
  if ((look(`${path}-wal`)?.size ?? 0) > 0) {
    throw new ProxyError(
      "database",
      `database "${path}" is missing, but "${path}-wal" is there; put the database back, or move that file away`,
    );
  }
  return false;
}

function fill(draft: string, configuration: Configuration, timeMs: number): void {
  using database = new DatabaseSync(draft);
  configure(database);
  migrate(database);
  writeSeed(database, configuration, timeMs);
}

function removeDraft(draft: string): void {
  for (const file of [draft, `${draft}-wal`, `${draft}-shm`, `${draft}-journal`]) {
    try {
      Deno.removeSync(file);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Absent = nothing has that name. A symbolic link counts as itself. */
function look(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
