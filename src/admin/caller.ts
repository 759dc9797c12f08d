/**
 * Who calls, as the service sees it.
 *
 * @module
 */

import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** One caller. */
export interface Caller {
  /** As a revision names it: a certificate's subject, `uid:N`, or `local`. */
  readonly author: string;
  /** False = it may look and not change. */
  readonly mayChange: boolean;
  /** Its process at the other end of a Unix socket; absent = it came over TCP. */
  readonly process?: { readonly pid: number; readonly uid: number };
  /** Until when it may call, Unix ms; Infinity = as long as it is connected. */
  readonly validUntilMs: number;
}

/** Who comes where nobody is asked who he is. */
export const ANYONE: Caller = { author: "local", mayChange: true, validUntilMs: Infinity };

/** Where a call's context has its caller. */
export const CALLER: ContextKey<Caller> = createContextKey<Caller>(
  { author: "", mayChange: false, validUntilMs: 0 },
  { description: "caller" },
);
