/**
 * The one change that may wait for a confirmation.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { RowReader } from "./row.ts";

/** A revision that goes back unless it is confirmed. */
export interface PendingConfirm {
  /** The revision that waits. */
  readonly revision: number;
  /** The revision whose content comes back. */
  readonly revertTo: number;
  /** Unix ms; from then on it is too late. */
  readonly deadlineMs: number;
}

/** What waits, if anything does. */
export function readPending(database: DatabaseSync): PendingConfirm | undefined {
  const row = database.prepare("SELECT * FROM pending_confirm").get();
  if (row === undefined) return undefined;
  const reader = new RowReader("pending_confirm", row);
  return {
    revision: reader.integer("revision", 2),
    revertTo: reader.integer("revert_to", 1),
    deadlineMs: reader.integer("deadline_ms", 1),
  };
}

/** Lets a revision wait, in the place of any other. */
export function writePending(database: DatabaseSync, pending: PendingConfirm): void {
  const { revision, revertTo, deadlineMs } = pending;
  database.prepare(
    "INSERT OR REPLACE INTO pending_confirm (id, revision, revert_to, deadline_ms) VALUES (1, ?, ?, ?)",
  ).run(revision, revertTo, deadlineMs);
}

/** Nothing waits any more. */
export function removePending(database: DatabaseSync): void {
  database.exec("DELETE FROM pending_confirm");
}
