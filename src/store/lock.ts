/**
 * One process per database: a lock file beside it. The lock is the kernel's (`flock(2)`) and ends with its
 * process, whatever ended that; the file alone means nothing, so one left by `kill -9` blocks nobody.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";

/** How often a lock file may vanish between our open and our lock before we give up. */
const TRIES = 100;

/** The lock of one database, held until it is disposed of. */
export class DatabaseLock implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Takes the lock of a database without waiting. The database itself needn't exist, its folder must.
   *
   * @param databasePath the database's file; the lock is that name with `.lock` after it, mode 0600
   * @throws {ProxyError} `busy` when another process holds it (the message says which), `database` when the lock
   * file can't be made (no such folder, read-only)
   */
  static take(databasePath: string): DatabaseLock {
    const path = `${databasePath}.lock`;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const file = openLockFile(path, databasePath);
      if (!file.tryLockSync(true)) {
        const id = readHolder(file);
        const holder = id === undefined ? "" : ` (process ${id})`;
        file.close();
        throw new ProxyError(
          "busy",
          `database "${databasePath}" is in use by another mc-proxy${holder}; stop that one, or name another path`,
        );
      }
      if (isStillAt(path, file)) {
        file.truncateSync();
        file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
        return new DatabaseLock(path, file);
      }
      // The last holder removed the name after our open: what we hold now is nobody's lock.
      file.close();
    }
    throw new ProxyError("busy", `database "${databasePath}" has a lock file that keeps vanishing`);
  }

  /**
   * The process that holds the lock of a database.
   *
   * @param databasePath as `take` has it
   * @returns `undefined` when nobody holds it, or the file can't be read
   */
  static holderOf(databasePath: string): number | undefined {
    try {
      using file = Deno.openSync(`${databasePath}.lock`, { read: true });
      return file.tryLockSync(false) ? undefined : readHolder(file);
    } catch {
      return undefined;
    }
  }

  /** Removes the lock file, then gives up the lock. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#path);
    } catch {
      // Without the file the lock still ends with the close.
    }
    this.#file.close();
  }
}

/**
 * The process that holds a database's lock, without touching the lock.
 *
 * @param databasePath the database's file
 * @returns its id; `undefined` = nobody, whatever a lock file that was left says
 */
export async function lockHolder(databasePath: string): Promise<number | undefined> {
  const text = await Deno.readTextFile(`${databasePath}.lock`).catch(() => "");
  const id = Number.parseInt(text, 10);
  if (!Number.isInteger(id)) return undefined;
  const locks = await Deno.readTextFile("/proc/locks").catch(() => undefined);
  // Where the kernel doesn't tell of locks, a process of that id has to do.
  if (locks === undefined) return (await Deno.stat(`/proc/${id}`).catch(() => undefined)) && id;
  const holds = new RegExp(`^\\d+: FLOCK +\\w+ +WRITE ${id} `, "m");
  return holds.test(locks) ? id : undefined;
}

function openLockFile(path: string, databasePath: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    const sentence = error instanceof Deno.errors.NotFound
      ? "is in a folder that doesn't exist; create the folder"
      : `can't be locked because "${path}" can't be written; give that file and its folder to this user`;
    throw new ProxyError("database", `database "${databasePath}" ${sentence}`, { cause: error });
  }
}

function isStillAt(path: string, file: Deno.FsFile): boolean {
  const held = file.statSync();
  try {
    const named = Deno.statSync(path);
    return named.ino === held.ino && named.dev === held.dev;
  } catch {
    return false;
  }
}

function readHolder(file: Deno.FsFile): number | undefined {
  const bytes = new Uint8Array(16);
  const size = file.readSync(bytes) ?? 0;
  const id = Number.parseInt(new TextDecoder().decode(bytes.subarray(0, size)), 10);
  return Number.isInteger(id) ? id : undefined;
}
