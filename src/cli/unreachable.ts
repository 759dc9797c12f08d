/**
 * That no running server answers, which scripts want to tell from everything else.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";

/** No server answers, or it has stopped answering. The message says what to do. */
export class Unreachable extends ProxyError {
  /** An error ready to be thrown. @param message one sentence without a full stop @param cause what was thrown */
  constructor(message: string, cause: unknown) {
    super("unavailable", message, { cause });
  }
}
