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
/** Descriptors of the main process: the runtime's own, the database, a snapshot's process, certificates being read. */
const DESCRIPTORS_OF_MAIN = 128;
/** Three pipes and a handle of the main process. */
const DESCRIPTORS_PER_WORKER = 4;

/** Fills in what is computed at start. @param descriptors that a process may hold; default this one's limit */
export function effectiveLimits(limits: Limits, descriptors: number = fileLimit()): Limits {
  const workers = limits.workers || navigator.hardwareConcurrency;
  const maxConnections = limits.maxConnections || workers * connectionsOfDescriptors(descriptors);
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
 * @param descriptors that a process may hold; default this one's limit
 * @returns one sentence for the log; `undefined` = they suffice
 */
export function shortOfDescriptors(
  { workers, maxConnections }: Limits,
  descriptors: number = fileLimit(),
): string | undefined {
  const possible = workers * connectionsOfDescriptors(descriptors);
  if (maxConnections <= possible) return undefined;
  return `max_connections is ${maxConnections}, but the file limit (ulimit -n) allows ${possible} in ${workers} workers`;
}

/**
 * Says when the main process may need more descriptors than it can have.
 *
 * @param limits effective
 * @param adminDescriptors what clients of the admin API may cost
 * @param descriptors that a process may hold; default this one's limit
 * @returns one sentence for the log; `undefined` = they suffice
 */
export function shortForMain(
  { workers }: Limits,
  adminDescriptors: number,
  descriptors: number = fileLimit(),
): string | undefined {
  const needed = DESCRIPTORS_OF_MAIN + workers * DESCRIPTORS_PER_WORKER + adminDescriptors;
  if (needed <= descriptors) return undefined;
  return `the file limit (ulimit -n) is ${descriptors}, and the main process may need ${needed}, of which clients of the admin API ${adminDescriptors}`;
}

/** Connections that one worker's file limit allows it. @param descriptors default this process's limit */
export function connectionsOfDescriptors(descriptors: number = fileLimit()): number {
  return Math.max(1, Math.floor((descriptors - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_CONNECTION));
}
