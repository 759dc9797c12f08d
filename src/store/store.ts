/**
 * The store: the one open database of a server, behind a small interface.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import type { Configuration } from "../state/model.ts";
import { runToEnd, type Sliced } from "../state/slices.ts";
import { createDatabase, exists } from "./create.ts";
import { DatabaseLock } from "./lock.ts";
import { keepAnswer, type KeptAnswer, readAnswer } from "./kept_answers.ts";
import { openDatabase } from "./open.ts";
import { type PendingConfirm, readPending, removePending } from "./pending_confirm.ts";
import { type NextIds, readConfiguration, readNextIds } from "./records.ts";
import {
  type Commit,
  configurationSlices,
  readCurrentNumber,
  readRevision,
  readRevisionHead,
  type Revision,
  type RevisionHead,
  writeCommit,
} from "./revisions.ts";
import { guarded } from "./sqlite_error.ts";

/**
 * A database held by this process alone, from `open` to disposal. Every method is synchronous, what it wrote is on
 * disk when it returns, and what it throws is a `ProxyError`:
 *
 * - `busy`: another mc-proxy or another program holds the database
 * - `database`: it can't be read or written; what it held is unchanged
 * - `conflict`: see {@linkcode Store.commit}
 */
export class Store implements Disposable {
  /** The database's file, absolute, symbolic links resolved. */
  readonly path: string;
  #lock: DatabaseLock | undefined;
  #database: DatabaseSync | undefined;
  #fileId: string | undefined;
  #isReleased = false;
  #lastRevision = 0;
  #configuration: Configuration | undefined;

  private constructor(path: string, lock: DatabaseLock, database: DatabaseSync | undefined) {
    this.path = path;
    this.#lock = lock;
    this.#database = database;
    if (database !== undefined) this.#fileId = fileIdOf(path);
  }

  /**
   * Locks the database, and opens it when it exists. A missing one isn't created: that is {@linkcode Store.seed}'s
   * work, so a start that fails before it leaves no file behind.
   *
   * @param path the database's file; its folder must exist
   */
  static open(path: string): Store {
    const real = resolveDatabase(path);
    const lock = DatabaseLock.take(real);
    try {
      const database = guarded(real, () => exists(real)) ? openDatabase(real) : undefined;
      return new Store(real, lock, database);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** There is no database yet: nothing but `seed` and disposal is legal. */
  get isNew(): boolean {
    return this.#database === undefined && !this.#isReleased;
  }

  /** Lets another process have the database: until `retake` every method throws `unavailable`. */
  release(): void {
    this.#lastRevision = this.revision;
    this.#isReleased = true;
    this.#configuration = undefined;
    this[Symbol.dispose]();
  }

  /**
   * Takes the database back after `release`; does nothing without one.
   *
   * @throws {ProxyError} `busy` while another process holds it, `database` when it can't be used, such as one with a
   * newer schema; it stays released then, and untouched
   */
  retake(): void {
    if (!this.#isReleased) return;
    const lock = DatabaseLock.take(this.path);
    try {
      this.#database = openDatabase(this.path);
      this.#fileId = fileIdOf(this.path);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
    this.#lock = lock;
    this.#isReleased = false;
  }

  /** The process that holds the database now; `undefined` = none, or it can't be told. */
  lockHolder(): number | undefined {
    return DatabaseLock.holderOf(this.path);
  }

  /**
   * Creates the database with `configuration` as revision 1, author `system`. `kill -9` at any moment leaves either
   * no database or that revision whole.
   *
   * @param timeMs the revision's time, Unix ms
   */
  seed(configuration: Configuration, timeMs: number): void {
    if (!this.isNew) throw new ProxyError("internal", `database "${this.path}" is already seeded`);
    createDatabase(this.path, configuration, timeMs);
    this.#database = openDatabase(this.path);
    this.#fileId = fileIdOf(this.path);
  }

  /** The number of the current revision; the last one known while the database is released. */
  get revision(): number {
    return this.#isReleased ? this.#lastRevision : this.#run(readCurrentNumber);
  }

  /** The current configuration, each kind in the order of its ids; the same object until the next commit. */
  readConfiguration(): Configuration {
    this.#configuration ??= this.#run(readConfiguration);
    return this.#configuration;
  }

  /** The ids that the next new listener, route and firewall rule get: `commit` stores them as they stand in its changes. */
  readNextIds(): NextIds {
    return this.#run(readNextIds);
  }

  /**
   * Writes a change and its revision in one transaction.
   *
   * @returns the new revision's number
   * @throws {ProxyError} `conflict` when `expectedRevision` isn't the current one, which the message then names, or
   * when a change doesn't fit what is there; `database` when the file isn't the one that was opened: SQLite would write
   * on into what nobody can open any more
   */
  commit(commit: Commit): number {
    if (!this.#isReleased && fileIdOf(this.path) !== this.#fileId) {
      throw new ProxyError(
        "database",
        `database "${this.path}" was removed or replaced while it is served, so nothing can be changed; ` +
          "save what is served with mc-proxy export, stop, and put the file back",
      );
    }
    const before = this.readConfiguration();
    const { revision, configuration } = this.#run((database) => writeCommit(database, before, commit));
    this.#configuration = configuration;
    return revision;
  }

  /** The change that waits for a confirmation, if one does. */
  readPending(): PendingConfirm | undefined {
    return this.#run(readPending);
  }

  /** Nothing waits for a confirmation any more. */
  removePending(): void {
    this.#run(removePending);
  }

  /** The answer kept for an author's idempotency key; absent = none. @param nowMs Unix ms */
  readAnswer(
    author: string,
    key: string,
    nowMs: number,
  ): Pick<KeptAnswer, "callDigest" | "answer"> | undefined {
    return this.#run((database) => readAnswer(database, author, key, nowMs));
  }

  /** Keeps an answer for an idempotency key. */
  keepAnswer(kept: KeptAnswer): void {
    this.#run((database) => keepAnswer(database, kept));
  }

  /** One revision; absent when that number isn't kept any more (the last 10,000 are) or doesn't exist yet. */
  readRevision(number: number): Revision | undefined {
    return this.#run((database) => readRevision(database, number));
  }

  /** The same without its changes, which may be many. */
  readRevisionHead(number: number): RevisionHead & { readonly changeCount: number } | undefined {
    return this.#run((database) => readRevisionHead(database, number));
  }

  /** The configuration as a revision left it; absent as for {@linkcode Store.readRevision}. */
  readConfigurationAt(number: number): Configuration | undefined {
    return runToEnd(this.configurationSlices(number));
  }

  /** The same in slices: it may take seconds. */
  configurationSlices(number: number): Sliced<Configuration | undefined> {
    return configurationSlices((work) => this.#run(work), number);
  }

  /** Moves what the `-wal` file holds into the database, closes it and gives up the lock. */
  [Symbol.dispose](): void {
    try {
      this.#database?.close();
    } finally {
      this.#database = undefined;
      this.#lock?.[Symbol.dispose]();
      this.#lock = undefined;
    }
  }

  #run<T>(work: (database: DatabaseSync) => T): T {
    const database = this.#database;
    if (database === undefined) {
      if (this.#isReleased) {
        throw new ProxyError("unavailable", `database "${this.path}" is not with this process at the moment`);
      }
      throw new ProxyError("internal", `database "${this.path}" is not open`);
    }
    return guarded(this.path, () => work(database));
  }
}

/** Which file stands under a name; `undefined` = none. */
function fileIdOf(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * The database's file, absolute, symbolic links resolved: two names of one database must meet at one lock.
 *
 * @throws {ProxyError} `database` when its folder doesn't exist
 */
export function resolveDatabase(path: string): string {
  return guarded(path, () => realPath(path));
}

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    return join(Deno.realPathSync(dirname(path)), basename(path));
  } catch (error) {
    throw new ProxyError(
      "database",
      `database "${path}" is in a folder that doesn't exist; create the folder`,
      { cause: error },
    );
  }
}
