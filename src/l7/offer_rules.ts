/**
 * What a client's ALPN offer means for layer 7.
 *
 * @module
 */

import { HTTP_PROTOCOLS } from "../wire/http_handler.ts";

/** Whether a client offers what we speak. @param alpn as sent; empty = it has no ALPN, and speaks http/1.1 */
export function offersHttp(alpn: readonly string[]): boolean {
  return alpn.length === 0 || alpn.some((name) => HTTP_PROTOCOLS.includes(name));
}
