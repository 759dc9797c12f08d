/**
 * Snapshots: a consistent copy of a database, taken beside whoever serves it.
 *
 * @module
 */

import { lchown } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import { checkIntegrity, openBeside, openReadOnly } from "./open.ts";
import { readCurrentNumber } from "./revisions.ts";
import { toProxyError } from "./sqlite_error.ts";

/** What {@linkcode takeSnapshot} made. */
export interface SnapshotResult {
  /** The copy's file. */
  readonly path: string;
  /** Its size. */
  readonly sizeBytes: number;
  /** The revision that the copy holds. */
  readonly revision: number;
}

/**
 * Copies a database with `VACUUM INTO`, checks the copy's integrity, and only then gives it its name. Takes no
 * lock: a server goes on reading and writing meanwhile. The copy is a whole database of mode 0600 that needs
 * nothing beside it, and is on disk when this resolves.
 *
 * Needs all of the runtime's permissions (`--allow-import` too): without them Deno disables `ATTACH`, and
 * `VACUUM INTO` with it.
 *
 * @param databasePath the database's file
 * @param outPath the copy's file, in a folder that exists; absent = `backups/NAME-YYYYMMDDTHHMMSSZ.db` beside the
 * database, a folder that is made when missing; by root, for whom the database's own folder belongs to
 * @param now names the default file
 * @throws {ProxyError} `database` when the database or the copy can't be read, written or is unsound, or when
 * something has the copy's name already; `busy` when another program holds the database exclusively. No file is
 * left then
 */
export async function takeSnapshot(
  databasePath: string,
  outPath: string | undefined,
  now: Date,
): Promise<SnapshotResult> {
  await requireFile(databasePath);
  const path = outPath ?? await defaultPath(databasePath, now);
  await refuseExisting(path);
  const draft = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}.partial`);
  try {
    await makeEmpty(draft);
    copyInto(databasePath, draft, path);
    const revision = checkCopy(draft);
    const sizeBytes = await flush(draft);
    await publish(draft, path);
    return { path, sizeBytes, revision };
  } catch (error) {
    throw toProxyError(error, databasePath);
  } finally {
    await Deno.remove(draft).catch(() => {});
  }
}

async function defaultPath(databasePath: string, now: Date): Promise<string> {
  const folder = join(dirname(databasePath), "backups");
  const extension = extname(databasePath);
  const stamp = now.toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "");
  try {
    await makeFolder(folder);
  } catch (error) {
    throw new ProxyError("database", `folder "${folder}" can't be made; make the one above it writable`, {
      cause: error,
    });
  }
  return join(folder, `${basename(databasePath, extension)}-${stamp}${extension}`);
}

/** Root's own folder would keep the server's user from taking snapshots, and from pruning them. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  if (Deno.uid() !== 0) return;
  const { uid, gid } = await Deno.stat(dirname(folder));
  // Not by chown: who owns the folder above could have put a link to anything here.
  if (uid !== null && gid !== null) await lchown(folder, uid, gid);
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new ProxyError("database", `snapshot "${path}" can't be written: ${String(error)}`, {
      cause: error,
    });
  }
  throw new ProxyError("database", `"${path}" exists, and a snapshot never overwrites; name another file`);
}

/** SQLite writes into an empty file without touching its mode. */
async function makeEmpty(draft: string): Promise<void> {
  try {
    (await Deno.open(draft, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    const folder = dirname(draft);
    throw new ProxyError("database", `snapshot folder "${folder}" is missing or can't be written`, {
      cause: error,
    });
  }
}

function copyInto(databasePath: string, draft: string, path: string): void {
  openReadOnly(databasePath).close();
  using database = openBeside(databasePath);
  try {
    database.prepare("VACUUM INTO ?").run(draft);
  } catch (error) {
    const { code, message } = toProxyError(error, databasePath);
    throw new ProxyError(code, `snapshot "${path}" can't be made: ${message}`, { cause: error });
  }
}

/** SQLite says of a missing file only that it can't be opened. */
async function requireFile(databasePath: string): Promise<void> {
  try {
    await Deno.lstat(databasePath);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ProxyError(
      "database",
      `database "${databasePath}" doesn't exist; the server makes it at its first start`,
      { cause: error },
    );
  }
}

/** Not read-only: SQLite's check leaves the CHECK constraints out of a file that it can't write. */
function checkCopy(draft: string): number {
  using copy = new DatabaseSync(draft);
  checkIntegrity(copy, draft, "full");
  return readCurrentNumber(copy);
}

async function flush(draft: string): Promise<number> {
  using file = await Deno.open(draft, { read: true, write: true });
  await file.sync();
  return (await file.stat()).size;
}

/** A hard link, unlike a rename, fails when the name was taken since we looked. */
async function publish(draft: string, path: string): Promise<void> {
  try {
    await Deno.link(draft, path);
  } catch (error) {
    const sentence = error instanceof Deno.errors.AlreadyExists
      ? "exists, and a snapshot never overwrites; name another file"
      : `can't be made by a hard link (${String(error)}); take the snapshot beside the database and copy it`;
    throw new ProxyError("database", `"${path}" ${sentence}`, { cause: error });
  }
  using folder = await Deno.open(dirname(path));
  await folder.sync();
}
