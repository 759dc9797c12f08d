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
 * - `unavailable`: a worker can't prepare, a file can't be read, a peer can't be reached
 * - `internal`: a defect of ours
 */
export type ErrorCode = "config" | "busy" | "database" | "conflict" | "unavailable" | "internal";

/** An error with a {@linkcode ErrorCode}. `message` is one sentence without a full stop that quotes values. */
export class ProxyError extends Error {
  /** What a caller may branch on. */
  readonly code: ErrorCode;

  /**
   * An error ready to be thrown.
   *
   * @param code what a caller may branch on
   * @param message one sentence that says what to do about it, without a full stop
   * @param options the cause; absent = there is none
   */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ProxyError";
    this.code = code;
  }
}
