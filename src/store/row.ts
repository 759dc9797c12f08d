/**
 * Reading one column of a row with its type checked. The tables are STRICT and have checks of their own, but a
 * database is also a file that anybody with the rights can edit: what doesn't fit is an error with the row's
 * name, never a value that surprises somebody later.
 *
 * @module
 */

import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { ProxyError } from "../errors.ts";

/** One row as SQLite gives it, and as SQLite takes it. */
export type Row = Record<string, SQLOutputValue>;
/** Column name → value to write. */
export type Columns = Record<string, SQLInputValue>;

/** Reads the columns of one row; every method throws a `ProxyError` `database` when the value doesn't fit. */
export class RowReader {
  readonly #table: string;
  readonly #row: Row;

  /**
   * Reads one row.
   *
   * @param table the table's name, for messages
   * @param row one row of it, with its `id` or `number`
   */
  constructor(table: string, row: Row) {
    this.#table = table;
    this.#row = row;
  }

  /** A text of at most `lengthMax` characters. */
  text(column: string, lengthMax = 4_096): string {
    const value = this.#row[column];
    if (typeof value !== "string" || value.length > lengthMax) {
      throw this.unfit(column, `a text of at most ${lengthMax} characters`);
    }
    return value;
  }

  /** A whole number within the limits, both included. */
  integer(column: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#row[column];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      throw this.unfit(column, `a whole number from ${min} to ${max}`);
    }
    return value;
  }

  /** A whole number, or absent for NULL. */
  optionalInteger(column: string, min = 0, max = Number.MAX_SAFE_INTEGER): number | undefined {
    return this.#row[column] === null ? undefined : this.integer(column, min, max);
  }

  /** 0 or 1. */
  flag(column: string): boolean {
    return this.integer(column, 0, 1) === 1;
  }

  /** One of a closed list of words. */
  word<const Word extends string>(column: string, words: readonly Word[]): Word {
    const value = words.find((word) => word === this.#row[column]);
    if (value === undefined) throw this.unfit(column, `one of ${words.join(", ")}`);
    return value;
  }

  /** A JSON text, parsed. */
  json(column: string): unknown {
    try {
      return JSON.parse(this.text(column, Number.MAX_SAFE_INTEGER));
    } catch {
      throw this.unfit(column, "JSON");
    }
  }

  /** A JSON array of texts. */
  texts(column: string): readonly string[] {
    const value = this.json(column);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.unfit(column, "a JSON array of texts");
    }
    return value;
  }

  /** The error for a column that holds something else than what was wanted. */
  unfit(column: string, wanted: string): ProxyError {
    const id = this.#row["id"] ?? this.#row["number"] ?? "?";
    return new ProxyError(
      "database",
      `row ${id} of table "${this.#table}" has no usable "${column}": wanted ${wanted}, got ${
        JSON.stringify(this.#row[column])?.slice(0, 100)
      }`,
    );
  }
}
