/**
 * Revisions: each change of the configuration as one numbered row, written in the transaction that changes the
 * rows themselves.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { ProxyError } from "../errors.ts";
import type { Change } from "../state/change.ts";
import { applyChanges, diffConfiguration, EMPTY_CONFIGURATION } from "../state/diff.ts";
import type { Configuration } from "../state/model.ts";
import type { Sliced } from "../state/slices.ts";
import { keepAnswer, type KeptAnswer } from "./kept_answers.ts";
import { type PendingConfirm, removePending, writePending } from "./pending_confirm.ts";
import { RowReader } from "./row.ts";
import { transact } from "./transaction.ts";
import { writeDifference } from "./write_records.ts";

/** Every revision whose number is a multiple of this carries the whole configuration. */
export const SNAPSHOT_INTERVAL = 100;

/**
 * How many of the last revisions are kept at least. Older ones are removed up to a snapshot, so that the oldest
 * one kept can still be read; at most {@linkcode SNAPSHOT_INTERVAL} more stay.
 */
export const REVISIONS_KEPT = 10_000;

const KINDS: readonly RevisionKind[] = ["seed", "rpc", "rollback", "revert", "expiry"];
const CHANGE_KINDS: ReadonlySet<Change["kind"]> = new Set<Change["kind"]>([
  "listener_put",
  "listener_removed",
  "route_put",
  "route_removed",
  "rule_put",
  "rule_removed",
]);
const AUTHOR_LENGTH_MAX = 1_024;

/** Why a revision was made: first start, a call, a return to an older one, a confirm that didn't come, a rule's end. */
export type RevisionKind = "seed" | "rpc" | "rollback" | "revert" | "expiry";

/** What there is to say of a revision without its changes. */
export interface RevisionHead {
  /** 1 for the seed, then one more each. */
  readonly number: number;
  /** The number before it; 0 for the seed. */
  readonly parent: number;
  /** Unix ms. */
  readonly timeMs: number;
  /** RFC 4514 subject of a client certificate, `uid:N`, `local`, or `system`. */
  readonly author: string;
  /** Why it was made. */
  readonly kind: RevisionKind;
}

/** One revision without its content. */
export interface Revision extends RevisionHead {
  /** What turned the parent's content into this one's. */
  readonly changes: readonly Change[];
}

/** A change to be committed. */
export interface Commit {
  /** The revision that `changes` start from: refused with `conflict` when it isn't the current one. */
  readonly expectedRevision: number;
  /** The new revision's time, Unix ms. */
  readonly timeMs: number;
  /** As in {@linkcode Revision}; what is longer than 1,024 characters is cut. */
  readonly author: string;
  /** Why it is made. */
  readonly kind: Exclude<RevisionKind, "seed">;
  /** What turns the content of `expectedRevision` into the new one; may be empty. New values carry their ids. */
  readonly changes: readonly Change[];
  /** In the same transaction: absent = what is pending stays; `none` = nothing is pending any more. */
  readonly pending?: PendingConfirm | "none";
  /** In the same transaction: the answer to the call that asked for the change. */
  readonly answer?: KeptAnswer;
}

/** Writes `configuration` and revision 1, kind `seed`, author `system`, into an empty database of this schema. */
export function writeSeed(database: DatabaseSync, configuration: Configuration, timeMs: number): void {
  transact(database, () => {
    writeDifference(database, EMPTY_CONFIGURATION, configuration);
    const changes = diffConfiguration(EMPTY_CONFIGURATION, configuration);
    insertRevision(database, { number: 1, parent: 0, timeMs, author: "system", kind: "seed", changes });
  });
}

/**
 * Writes a change and its revision in one transaction.
 *
 * @param before the content of revision `expectedRevision`
 * @returns the new revision's number and content, on disk
 * @throws {ProxyError} `conflict` when `expectedRevision` isn't the current revision, or `changes` don't fit it; on
 * any error nothing changed
 */
export function writeCommit(
  database: DatabaseSync,
  before: Configuration,
  commit: Commit,
): { revision: number; configuration: Configuration } {
  const { expectedRevision: parent, timeMs, author, kind, changes } = commit;
  const revision = parent + 1;
  return transact(database, () => {
    const current = readCurrentNumber(database);
    if (current !== parent) {
      throw new ProxyError("conflict", `revision ${parent} was expected, and ${current} is the current one`);
    }
    const configuration = applyChanges(before, changes);
    writeDifference(database, before, configuration);
    insertRevision(database, { number: revision, parent, timeMs, author, kind, changes }, configuration);
    prune(database, revision);
    if (commit.pending === "none") removePending(database);
    else if (commit.pending !== undefined) writePending(database, commit.pending);
    if (commit.answer !== undefined) keepAnswer(database, commit.answer);
    return { revision, configuration };
  });
}

/** The newest revision's number. @throws {ProxyError} `database` when there is none */
export function readCurrentNumber(database: DatabaseSync): number {
  const row = database.prepare("SELECT max(number) AS number FROM revisions").get() ?? {};
  return new RowReader("revisions", row).integer("number", 1);
}

/** One revision; absent when that number isn't kept any more or doesn't exist yet. */
export function readRevision(database: DatabaseSync, number: number): Revision | undefined {
  const row = database.prepare("SELECT * FROM revisions WHERE number = ?").get(number);
  if (row === undefined) return undefined;
  const reader = new RowReader("revisions", row);
  return { ...headOf(reader, number), changes: readChanges(reader) };
}

/** One revision and how many changes it holds, which are not read; absent as for {@linkcode readRevision}. */
export function readRevisionHead(
  database: DatabaseSync,
  number: number,
): RevisionHead & { readonly changeCount: number } | undefined {
  const row = database.prepare(
    "SELECT number, parent, time_ms, author, kind, json_array_length(changes) AS change_count " +
      "FROM revisions WHERE number = ?",
  ).get(number);
  if (row === undefined) return undefined;
  const reader = new RowReader("revisions", row);
  return { ...headOf(reader, number), changeCount: reader.integer("change_count") };
}

function headOf(reader: RowReader, number: number): RevisionHead {
  return {
    number,
    parent: reader.integer("parent"),
    timeMs: reader.integer("time_ms"),
    author: reader.text("author", AUTHOR_LENGTH_MAX),
    kind: reader.word("kind", KINDS),
  };
}

/** Does some reading with the database, which may be another one each time. */
export type Reading = <T>(work: (database: DatabaseSync) => T) => T;

/**
 * The configuration as a revision left it, in slices of a revision each: the snapshot at or before it with the changes
 * since. The changes of one revision are held at a time: those of a hundred large ones are more than the heap.
 *
 * @returns absent when that number isn't kept any more or doesn't exist yet
 */
export function* configurationSlices(read: Reading, number: number): Sliced<Configuration | undefined> {
  const exists = read((database) =>
    database.prepare("SELECT 1 FROM revisions WHERE number = ?").get(number) !== undefined
  );
  if (!exists) return undefined;
  const base = number - number % SNAPSHOT_INTERVAL;
  let content = base === 0 ? EMPTY_CONFIGURATION : read((database) => readSnapshot(database, base));
  for (let next = base + 1; next <= number && content !== undefined; next++) {
    yield 1;
    const revision = read((database) => readRevision(database, next));
    content = revision && withChanges(content, revision, base);
  }
  return content;
}

function withChanges(content: Configuration, { number, changes }: Revision, base: number): Configuration {
  try {
    return applyChanges(content, changes);
  } catch (error) {
    // A stored change that doesn't fit is the database's fault, not a conflict of the caller's.
    throw new ProxyError("database", `the changes up to revision ${number} don't fit revision ${base}`, {
      cause: error,
    });
  }
}

function readChanges(reader: RowReader): Change[] {
  const changes = reader.json("changes");
  if (Array.isArray(changes) && changes.every((change) => CHANGE_KINDS.has(change?.kind))) return changes;
  throw reader.unfit("changes", "a list of changes");
}

function readSnapshot(database: DatabaseSync, number: number): Configuration | undefined {
  const row = database.prepare("SELECT number, snapshot FROM revisions WHERE number = ?").get(number);
  return row && new RowReader("revisions", row).json("snapshot") as Configuration;
}

function insertRevision(database: DatabaseSync, revision: Revision, content?: Configuration): void {
  const isSnapshot = revision.number % SNAPSHOT_INTERVAL === 0;
  database.prepare(
    "INSERT INTO revisions (number, parent, time_ms, author, kind, changes, snapshot) VALUES (?, ?, ?, ?, ?, ?, ?)",
  ).run(
    revision.number,
    revision.parent,
    revision.timeMs,
    revision.author.slice(0, AUTHOR_LENGTH_MAX),
    revision.kind,
    JSON.stringify(revision.changes),
    isSnapshot ? JSON.stringify(content) : null,
  );
}

function prune(database: DatabaseSync, newest: number): void {
  const oldest = newest - REVISIONS_KEPT + 1;
  const base = oldest - oldest % SNAPSHOT_INTERVAL;
  if (base > 0) database.prepare("DELETE FROM revisions WHERE number < ?").run(base);
}
