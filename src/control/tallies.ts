/**
 * What is open and what was counted, by the ids of listeners and routes.
 *
 * @module
 */

import { reasonCounter } from "../observe/counters.ts";
import { GAUGE_ALL, listenerGauge, routeGauge } from "../observe/memory_layout.ts";
import type { SharedMemory } from "../observe/shared_memory.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import { REASON_NAMES } from "../reasons.ts";
import type { Slots } from "./slots.ts";

/** A view of the shared memory. */
export class Tallies {
  readonly #memory: SharedMemory;
  readonly #slots: Pick<Slots, "listener" | "route">;

  /** Looks at `memory`, where `slots` say. */
  constructor(memory: SharedMemory, slots: Pick<Slots, "listener" | "route">) {
    this.#memory = memory;
    this.#slots = slots;
  }

  /** Connections that are open. */
  get all(): number {
    return this.#memory.total(GAUGE_ALL);
  }

  /** Connections that a worker has open. */
  worker(column: number): number {
    return this.#memory.columns[column]?.share(GAUGE_ALL) ?? 0;
  }

  /** Connections that a listener has open; 0 for an unknown one. */
  listener(id: number): number {
    const slot = this.#slots.listener(id);
    return slot === undefined ? 0 : this.#memory.total(listenerGauge(slot));
  }

  /** Connections that a route has open; 0 for an unknown one. */
  route(id: number): number {
    const slot = this.#slots.route(id);
    return slot === undefined ? 0 : this.#memory.total(routeGauge(slot));
  }

  /** Connections that an address (IPv6: its /64) has open; counted with `max_connections_per_ip` only. */
  address(address: IpAddress): number {
    return this.#memory.openOf(address);
  }

  /** Connections of a listener that have ended since the start; 0 for an unknown one. */
  ended(listenerId: number): number {
    const slot = this.#slots.listener(listenerId);
    if (slot === undefined) return 0;
    return REASON_NAMES.reduce((sum, reason) => sum + this.#memory.counted(reasonCounter(slot, reason)), 0);
  }
}
