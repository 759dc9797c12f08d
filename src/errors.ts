/**
 * The one error type of mc-proxy: a code to branch on, a sentence to read, a cause to follow.
 *
 * @module
 */

/**
 * What a caller may branch on.
 * - `config`: the TOML file or a command line is wrong (exit 2)
 * - `busy`: an address, a database or a lock is held by somebody else
 * - `database`: the database can't be used (corrupt, read-only, newer schema, missing folder)
 * - `conflict`: the expected revision is not the current one
 * - `invalid`: what was asked for is wrong; `field` says where
 * - `not_found`: what was named isn't there
 * - `already_exists`: it is there already
 * - `precondition`: not in this state, such as while a confirmation is pending
 * - `forbidden`: the caller may not do that
 * - `unavailable`: a worker can't prepare, a file can't be read, a peer can't be reached
 * - `internal`: a defect of ours
 */
export type ErrorCode =
  | "config"
  | "busy"
  | "database"
  | "conflict"
  | "invalid"
  | "not_found"
  | "already_exists"
  | "precondition"
  | "forbidden"
  | "unavailable"
  | "internal";

/** What an error carries besides its code and sentence. */
export interface ProxyErrorOptions extends ErrorOptions {
  /** The field of a request that is wrong, such as `route.hostname`; absent = no single one. */
  readonly field?: string;
}

/** An error with a {@linkcode ErrorCode}. `message` is one sentence without a full stop that quotes values. */
export class ProxyError extends Error {
  /** What a caller may branch on. */
  readonly code: ErrorCode;
  /** The field of a request that is wrong; absent = no single one. */
  readonly field: string | undefined;

  /**
   * An error ready to be thrown.
   *
   * @param code what a caller may branch on
   * @param message one sentence that says what to do about it, without a full stop
   * @param options the cause and the field; absent = there is none
   */
  constructor(code: ErrorCode, message: string, options?: ProxyErrorOptions) {
    super(message, options);
    this.name = "ProxyError";
    this.code = code;
    this.field = options?.field;
  }
}

/** What was thrown, as one text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
