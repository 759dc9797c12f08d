/**
 * Taking slots of the shared memory back from listeners and routes that are gone. A slot that went to another one
 * too early would count one's connections as the other's: so every worker is asked whether it still uses it.
 *
 * @module
 */

import { listenerCounters, routeCounters } from "../observe/counters.ts";
import { listenerGauge, routeGauge } from "../observe/memory_layout.ts";
import type { SharedMemory } from "../observe/shared_memory.ts";
import type { SlotOwners } from "../proxy/messages.ts";
import type { Slots } from "./slots.ts";
import type { WorkerSeat } from "./worker_seat.ts";

/** Ids in one question: a line to a worker has its limit. */
const IDS_MAX = 4_000;

/** Who is asked, and where the slots stand. */
export interface Reclaim {
  /** All places of workers, those of dead ones included. */
  readonly seats: readonly WorkerSeat[];
  /** Holds gauges and counters. */
  readonly memory: SharedMemory;
  /** Holds who has which. */
  readonly slots: Slots;
}

/**
 * Releases the slots of `idle` that no worker uses, their counters set back. Nothing is released while a worker is
 * being replaced, or one that is asked ends.
 *
 * @param idle listeners and routes that are not served any more
 */
export async function reclaimSlots({ seats, memory, slots }: Reclaim, idle: SlotOwners): Promise<void> {
  if (seats.some(({ worker }) => worker !== undefined && !worker.isServing)) return;
  const asked = seats.filter(({ worker }) => worker !== undefined);
  for (const part of partsOf(idle)) {
    const answers = await Promise.allSettled(asked.map((seat) => seat.forget(part)));
    const forgotten = answers.flatMap((answer) => answer.status === "fulfilled" ? [answer.value] : []);
    // The counters of a dead worker must be in main's before they are set back.
    if (forgotten.length < asked.length || !memory.isSettled) return;
    slots.release({
      listenerIds: part.listenerIds.filter((id) =>
        forgotten.every(({ listenerIds }) => listenerIds.has(id)) && clearListener(memory, slots.listener(id))
      ),
      routeIds: part.routeIds.filter((id) =>
        forgotten.every(({ routeIds }) => routeIds.has(id)) && clearRoute(memory, slots.route(id))
      ),
    });
  }
}

function* partsOf({ listenerIds, routeIds }: SlotOwners): Generator<SlotOwners> {
  if (listenerIds.length > 0) yield { listenerIds, routeIds: [] };
  for (let start = 0; start < routeIds.length; start += IDS_MAX) {
    yield { listenerIds: [], routeIds: routeIds.slice(start, start + IDS_MAX) };
  }
}

function clearListener(memory: SharedMemory, slot: number | undefined): boolean {
  return slot !== undefined && memory.clear(listenerGauge(slot), listenerCounters(slot));
}

function clearRoute(memory: SharedMemory, slot: number | undefined): boolean {
  return slot !== undefined && memory.clear(routeGauge(slot), routeCounters(slot));
}
