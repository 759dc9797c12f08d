/**
 * What has to be taken back before anything is served: a change that nobody confirmed in time, while the program
 * wasn't running. It may be the very reason why the program doesn't start.
 *
 * @module
 */

import { diffConfiguration } from "../state/diff.ts";
import { withoutExpired } from "../state/expiry.ts";
import type { Store } from "../store/store.ts";

/**
 * Takes the change back that waits in the store, when its time is over; rules that have expired don't come back.
 *
 * @param nowMs Unix ms
 * @returns the new revision; absent = there was nothing to take back
 * @throws ProxyError when the store can't be read or written
 */
export function takeBackOverdue(store: Store, nowMs: number): number | undefined {
  if (store.isNew) return undefined;
  const pending = store.readPending();
  if (pending === undefined || pending.deadlineMs > nowMs) return undefined;
  const target = store.readConfigurationAt(pending.revertTo);
  const changes = target === undefined
    ? []
    : diffConfiguration(store.readConfiguration(), withoutExpired(target, nowMs));
  if (changes.length === 0) {
    store.removePending();
    return undefined;
  }
  return store.commit({
    expectedRevision: store.revision,
    timeMs: nowMs,
    author: "system",
    kind: "revert",
    changes,
    pending: "none",
  });
}
