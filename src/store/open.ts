/**
 * Opening an existing database: it is looked at read-only first, so that a file which can't be served is left
 * exactly as it was found.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { ProxyError } from "../errors.ts";
import { checkStamp, migrate, readStamp } from "./migrate.ts";
import { guarded } from "./sqlite_error.ts";

/** How long a statement waits for another connection's lock, in ms. It holds the main process's loop. */
const BUSY_TIMEOUT_MS = 1_000;

/** How large the `-wal` file may stay after a checkpoint. */
const WAL_BYTES_MAX = 16 << 20;

/**
 * Opens the database for reading and writing, after checking who made it, its schema version and its integrity,
 * and brings an older schema up to date. WAL, `synchronous=FULL`, foreign keys on, files of mode 0600.
 *
 * @param path an existing file; the caller holds its lock
 * @throws {ProxyError} `busy` when another program holds SQLite's lock, `database` when the file is corrupt, not
 * ours, of a newer schema or read-only; nothing in it has changed then
 */
export function openDatabase(path: string): DatabaseSync {
  return guarded(path, () => {
    {
      using database = openReadOnly(path);
      checkIntegrity(database, path, "quick");
    }
    restrictMode(path);
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      configure(database);
      migrate(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * Opens a database of ours for reading only, beside whoever serves it.
 *
 * @param isStill true when nobody can be writing: SQLite then makes no file beside it, and doesn't look whether
 * somebody writes all the same
 * @throws {ProxyError} `database` when it is not ours or has a newer schema; SQLite's own errors as they are
 */
export function openReadOnly(path: string, isStill: boolean = false): DatabaseSync {
  const location = isStill ? `${pathToFileURL(path)}?immutable=1` : path;
  const database = new DatabaseSync(location, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    checkStamp(readStamp(database), path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens a database of ours beside whoever serves it, as one who may write: the last one to close it removes SQLite's
 * files beside it, which a reader can't. For a file that {@linkcode openReadOnly} took.
 */
export function openBeside(path: string): DatabaseSync {
  return new DatabaseSync(`${pathToFileURL(path)}?mode=rw`, { timeout: BUSY_TIMEOUT_MS });
}

/** Sets what a connection of ours relies on; the first call makes the file a WAL database. */
export function configure(database: DatabaseSync): void {
  const mode = database.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
  if (mode !== "wal") throw new Error("this file system can't hold SQLite's WAL");
  database.exec(
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; " +
      `PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`,
  );
}

/**
 * Reads every page and says whether the file is sound.
 *
 * @param database a read-only one isn't checked for CHECK constraints: SQLite doesn't read them then
 * @param depth `quick` skips comparing indexes with their tables, `full` doesn't
 * @throws {ProxyError} `database` with SQLite's first finding
 */
export function checkIntegrity(database: DatabaseSync, path: string, depth: "quick" | "full"): void {
  const column = depth === "quick" ? "quick_check" : "integrity_check";
  const finding = String(database.prepare(`PRAGMA ${column}(1)`).get()?.[column]);
  if (finding === "ok") return;
  throw new ProxyError(
    "database",
    `database "${path}" is corrupt (${
      finding.replaceAll("\n", " ")
    }); keep the file for inspection and put a ` +
      "snapshot in its place",
  );
}

/** Takes the file, and what SQLite keeps beside it, away from other users. A file of another owner stays as it is. */
function restrictMode(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      Deno.chmodSync(file, 0o600);
    } catch {
      // Absent, or not ours to change; whether it can be used shows in the next step.
    }
  }
}
