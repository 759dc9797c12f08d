/**
 * The database's schema: how it is recognised, and how an older one becomes the current one.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import initial from "./migrations/0001.sql" with { type: "text" };
import pendingAndAnswers from "./migrations/0002.sql" with { type: "text" };
import { transact } from "./transaction.ts";

/** `PRAGMA application_id` of every mc-proxy database: "mcpx" in ASCII. */
export const APPLICATION_ID = 0x6d637078;

/** The migrations in their order: the text at index `n` makes schema `n + 1` out of schema `n`. */
export const MIGRATIONS: readonly string[] = [initial, pendingAndAnswers];

/** Who made a database file, and with which schema. */
export interface SchemaStamp {
  /** {@linkcode APPLICATION_ID} for ours; 0 for an empty file. */
  readonly applicationId: number;
  /** Number of migrations that the file has seen; 0 = none. */
  readonly version: number;
}

/** Reads the stamp of any SQLite file; a file of another program, or an empty one, has another application id. */
export function readStamp(database: DatabaseSync): SchemaStamp {
  return {
    applicationId: readPragma(database, "application_id"),
    version: readPragma(database, "user_version"),
  };
}

/**
 * Refuses a database that this program can't serve: one of another program, or one with a newer schema.
 *
 * @param path names the file in the message
 * @throws {ProxyError} `database`
 */
export function checkStamp(stamp: SchemaStamp, path: string): void {
  if (stamp.applicationId !== APPLICATION_ID) {
    throw new ProxyError(
      "database",
      `"${path}" is not a database of mc-proxy; name another path, or move the file away`,
    );
  }
  if (stamp.version < 1 || stamp.version > MIGRATIONS.length) {
    throw new ProxyError(
      "database",
      `database "${path}" has schema ${stamp.version}, and this program knows schemas 1 to ${MIGRATIONS.length}; ` +
        "use the mc-proxy that wrote it, or put a snapshot in its place",
    );
  }
}

/**
 * Applies every migration that the database hasn't seen, all in one transaction, and stamps the database.
 *
 * @param migrations the list to apply; default {@linkcode MIGRATIONS}
 * @throws whatever a migration threw; the database then has its old schema and content. SQLite's own error for a
 * database that can't be written, even when nothing has to be migrated
 */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  const { version } = readStamp(database);
  if (version === migrations.length) return proveWritable(database, version);
  transact(database, () => {
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

/** SQLite opens a read-only file without a word and lets BEGIN IMMEDIATE pass: only a write tells. */
function proveWritable(database: DatabaseSync, version: number): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(`PRAGMA user_version = ${version}`);
  } finally {
    database.exec("ROLLBACK");
  }
}

function readPragma(database: DatabaseSync, name: "application_id" | "user_version"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
