/**
 * One SQLite transaction around a piece of work.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";

/**
 * Runs `work` in a transaction that holds the write lock from its start (`BEGIN IMMEDIATE`), so that what
 * `work` reads can't change before it writes.
 *
 * @returns what `work` returned, after the commit is on disk
 * @throws what `work` or SQLite threw, after the whole transaction was rolled back
 */
export function transact<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors (a full disk), and a second ROLLBACK would hide them.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
