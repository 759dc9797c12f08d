/**
 * Limits that are computed at start.
 *
 * @module
 */

import { fileLimit } from "../net/native.ts";
import { effectiveBurst } from "../policy/rate_limit.ts";
import type { Limits } from "../state/limits.ts";

/** Descriptors of a worker that aren't connections'. */
const DESCRIPTORS_RESERVED = 256;
/** Descriptors that one connection may cost. */
const DESCRIPTORS_PER_CONNECTION = 3;

/** Fills in what is computed at start. */
export function effectiveLimits(limits: Limits): Limits {
  const workers = limits.workers || navigator.hardwareConcurrency;
  const maxConnections = limits.maxConnections || workers * connectionsOfDescriptors();
  return {
    ...limits,
    workers,
    maxConnections,
    rateBurst: effectiveBurst(limits.rateLimit, limits.rateBurst),
  };
}

/**
 * Says when `max_connections` promises more than descriptors allow.
 *
 * @param limits effective
 * @returns one sentence for the log; `undefined` = they suffice
 */
export function shortOfDescriptors({ workers, maxConnections }: Limits): string | undefined {
  const possible = workers * connectionsOfDescriptors();
  if (maxConnections <= possible) return undefined;
  return `max_connections is ${maxConnections}, but the file limit (ulimit -n) allows ${possible} in ${workers} workers`;
}

/** Connections that one worker's file limit allows it. */
export function connectionsOfDescriptors(): number {
  return Math.max(1, Math.floor((fileLimit() - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_CONNECTION));
}
