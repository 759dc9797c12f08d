/**
 * A mistake in the TOML file: where, what was wanted, what was found.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { type Issue, quote } from "../state/issue.ts";

/** One mistake in the TOML file. Its path is empty for a file that is no TOML. */
export interface ConfigIssue extends Issue {
  /** The known key that was most likely meant; absent when none is near, or when the key is known. */
  readonly nearest?: string;
  /** Where the file stops being TOML, from 1; absent for every other mistake. */
  readonly line?: number;
  /** See {@linkcode ConfigIssue.line}. */
  readonly column?: number;
}

/** Every mistake of one TOML file; its code is `config`. */
export class ConfigError extends ProxyError {
  /** The TOML file as its reader named it. */
  readonly file: string;
  /** At least one. */
  readonly issues: readonly ConfigIssue[];

  /**
   * An error with all of a file's mistakes.
   *
   * @param file the TOML file as its reader named it
   * @param issues at least one
   */
  constructor(file: string, issues: readonly ConfigIssue[]) {
    const count = issues.length === 1 ? "1 mistake" : `${issues.length} mistakes`;
    super("config", `${file} has ${count}, the first: ${issues.slice(0, 1).map(formatIssue).join()}`);
    this.file = file;
    this.issues = issues;
  }
}

/**
 * One line for one mistake: `proxy.idle_timeout: wanted a duration …, got 5`.
 *
 * @param issue the mistake
 * @returns without the file's name, without a line's end
 */
export function formatIssue(issue: ConfigIssue): string {
  const place = issue.line === undefined ? issue.path : `line ${issue.line}, column ${issue.column}`;
  const hint = issue.nearest === undefined ? "" : ` (did you mean ${issue.nearest}?)`;
  return `${place}: wanted ${issue.wanted}, got ${issue.got}${hint}`;
}

/**
 * A value of the TOML file as a message shows it; text as {@linkcode quote} does.
 *
 * @param value as the TOML parser gave it; undefined = absent
 * @returns such as `"abc"`, `5`, `a table`, `nothing`
 */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  // Dates and times have names of their own.
  if (Object.prototype.toString.call(value) === "[object Object]") return "a table";
  // 1.0 is no whole number to TOML.
  if (typeof value === "number" && Number.isInteger(value)) return value.toFixed(1);
  return typeof value === "string" ? quote(value) : String(value);
}
