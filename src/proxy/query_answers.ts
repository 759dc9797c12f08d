/**
 * A worker's answers to questions about its connections.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";
import {
  type ConnectionFilter,
  type IsBlocked,
  isOpenConnection,
  matcher,
  type OpenConnection,
  openConnection,
  type QueriedConnection,
} from "./connection_query.ts";

/** Connections told in one line; a line of theirs is well below its limit. */
const LISTED_MAX = 50;
/** Longest time that a connection may be given before it is ended: timers hold no more. */
const AFTER_MAX_MS = 2 ** 31 - 1;

/** One part of the answer to `list`. */
export interface ListedPart {
  /** Some of them. */
  readonly connections: readonly OpenConnection[];
  /** How many match. */
  readonly total: number;
  /** Whether no other part follows. */
  readonly isLast: boolean;
}

/** What main asks of a worker; `query` comes back with the answer. */
export type ConnectionQuestion =
  | {
    readonly type: "list";
    readonly query: number;
    readonly filter: ConnectionFilter;
    readonly limit: number;
  }
  | {
    readonly type: "close";
    readonly query: number;
    readonly filter: ConnectionFilter;
    readonly reason: Reason;
    /** 0 = now. */
    readonly afterMs: number;
  };

/** What a worker answers. */
export type ConnectionAnswer =
  | ListedPart & { readonly type: "listed"; readonly query: number }
  | { readonly type: "closed"; readonly query: number; readonly count: number };

/** Whether a message is a well-formed answer. */
export function isConnectionAnswer(message: Readonly<Record<string, unknown>>): boolean {
  if (!isCount(message["query"])) return false;
  if (message["type"] === "closed") return isCount(message["count"]);
  const { connections, total, isLast } = message;
  return Array.isArray(connections) && connections.every(isOpenConnection) && isCount(total) &&
    typeof isLast === "boolean";
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Tells of the connections that match, at most `limit`, in parts; the last one says so. */
export function* listConnections(
  connections: Iterable<QueriedConnection>,
  { filter, limit }: Pick<Extract<ConnectionQuestion, { type: "list" }>, "filter" | "limit">,
  isBlocked: IsBlocked,
): Generator<ListedPart> {
  const found = [...connections].filter(matcher(filter, isBlocked));
  const total = found.length;
  for (let start = 0; start < Math.min(limit, total); start += LISTED_MAX) {
    const part = found.slice(start, Math.min(limit, start + LISTED_MAX));
    yield { connections: part.map(openConnection), total, isLast: false };
  }
  yield { connections: [], total, isLast: true };
}

/**
 * Ends the connections that match: now, or what is left of them later.
 *
 * @returns how many match
 */
export function closeConnections(
  connections: Iterable<QueriedConnection>,
  { filter, reason, afterMs }: Pick<
    Extract<ConnectionQuestion, { type: "close" }>,
    "filter" | "reason" | "afterMs"
  >,
  isBlocked: IsBlocked,
): number {
  const found = new Set([...connections].filter(matcher(filter, isBlocked)));
  const end = (): void => {
    // Only those that are open still: the descriptors of the others may be somebody else's by now.
    for (const connection of connections) if (found.has(connection)) connection.end(reason);
  };
  if (afterMs <= 0 || found.size === 0) {
    end();
  } else {
    for (const connection of found) connection.termination?.drain(reason);
    Deno.unrefTimer(setTimeout(end, Math.min(afterMs, AFTER_MAX_MS)));
  }
  return found.size;
}
