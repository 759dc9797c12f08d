/**
 * What SQLite says, as the one error type of mc-proxy.
 *
 * @module
 */

import { type ErrorCode, messageOf, ProxyError } from "../errors.ts";

/** SQLite's own texts are part of its interface (`sqlite3_errstr`); `node:sqlite` gives no number for all of them. */
const SENTENCES: readonly [text: string, code: ErrorCode, sentence: string][] = [
  ["is locked", "busy", "is locked by another program; end that program and try again"],
  ["file is not a database", "database", "is not a database; check the path, or put a snapshot in its place"],
  ["malformed", "database", "is corrupt; keep the file for inspection and put a snapshot in its place"],
  ["readonly database", "database", "is read-only; make the file and its folder writable for this user"],
  [
    "unable to open database file",
    "database",
    "can't be opened; make the file and its folder readable and writable for this user",
  ],
  ["disk is full", "database", "can't be written because the disk is full"],
];

/**
 * Turns what `node:sqlite` or a file operation threw into a `ProxyError` that names the database.
 *
 * @param error what was thrown; a `ProxyError` is given back as it is
 * @param path the database's file
 * @returns code `busy` when somebody else holds the database, else `database`; the cause is `error`
 */
export function toProxyError(error: unknown, path: string): ProxyError {
  if (error instanceof ProxyError) return error;
  const text = messageOf(error);
  const known = SENTENCES.find(([part]) => text.includes(part));
  if (known === undefined) {
    return new ProxyError("database", `database "${path}" can't be used: ${text}`, { cause: error });
  }
  const [, code, sentence] = known;
  return new ProxyError(code, `database "${path}" ${sentence}`, { cause: error });
}

/** Runs `work` and throws every error as {@linkcode toProxyError} makes it. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toProxyError(error, path);
  }
}
