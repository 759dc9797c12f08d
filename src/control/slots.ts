/**
 * Hands out places in the shared memory to listeners and routes, and takes back those that nobody uses any more.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { LISTENERS_MAX, ROUTES_MAX } from "../observe/counters.ts";
import type { Slot, SlotOwners } from "../proxy/messages.ts";
import type { Change } from "../state/change.ts";
import type { Configuration } from "../state/model.ts";

/** Slots of one kind by id. An id keeps its slot until it is released, also while it is in no configuration. */
class SlotTable {
  readonly #byId = new Map<number, number>();
  readonly #released: number[] = [];
  readonly #noun: string;
  readonly #max: number;
  /** Slots from here on were never given. */
  #fresh = 0;

  constructor(noun: string, max: number) {
    this.#noun = noun;
    this.#max = max;
  }

  hasRoomFor(ids: Iterable<number>): boolean {
    let free = this.#max - this.#fresh + this.#released.length;
    for (const id of ids) if (!this.#byId.has(id)) free--;
    return free >= 0;
  }

  assign(ids: readonly number[]): void {
    if (!this.hasRoomFor(ids)) {
      throw new ProxyError(
        "unavailable",
        `at most ${this.#max} ${this.#noun}s can be served, removed ones with open connections included`,
      );
    }
    for (const id of ids) {
      if (!this.#byId.has(id)) this.#byId.set(id, this.#released.pop() ?? this.#fresh++);
    }
  }

  get(id: number): number | undefined {
    return this.#byId.get(id);
  }

  idsWithout(wanted: ReadonlySet<number>): number[] {
    return [...this.#byId.keys()].filter((id) => !wanted.has(id));
  }

  release(ids: Iterable<number>): void {
    for (const id of ids) {
      const slot = this.#byId.get(id);
      if (slot === undefined) continue;
      this.#byId.delete(id);
      this.#released.push(slot);
    }
  }
}

/** Where the gauges and counters of listeners and routes stand. */
export class Slots {
  readonly #listeners = new SlotTable("listener", LISTENERS_MAX);
  readonly #routes = new SlotTable("route", ROUTES_MAX);

  /** Whether everything in `configuration` that has no slot could get one. */
  hasRoomFor(configuration: Configuration): boolean {
    const { listenerIds, routeIds } = ownersIn(configuration);
    return this.#listeners.hasRoomFor(listenerIds) && this.#routes.hasRoomFor(routeIds);
  }

  /** Gives a slot to everything in `configuration` that has none. @throws ProxyError unavailable when there is no more */
  assign(configuration: Configuration): void {
    const { listenerIds, routeIds } = ownersIn(configuration);
    this.#listeners.assign(listenerIds);
    this.#routes.assign(routeIds);
  }

  /** A listener's slot. */
  listener(id: number): number | undefined {
    return this.#listeners.get(id);
  }

  /** A route's slot. */
  route(id: number): number | undefined {
    return this.#routes.get(id);
  }

  /** Who has a slot and is in none of the configurations. */
  idle(...configurations: readonly Configuration[]): SlotOwners {
    const owners = configurations.map(ownersIn);
    return {
      listenerIds: this.#listeners.idsWithout(new Set(owners.flatMap(({ listenerIds }) => listenerIds))),
      routeIds: this.#routes.idsWithout(new Set(owners.flatMap(({ routeIds }) => routeIds))),
    };
  }

  /** Takes slots back; others get them. */
  release({ listenerIds, routeIds }: SlotOwners): void {
    this.#listeners.release(listenerIds);
    this.#routes.release(routeIds);
  }

  /** The slots of what changes put: a worker doesn't know them, or has let go of them. */
  putBy(changes: readonly Change[]): { listenerSlots: Slot[]; routeSlots: Slot[] } {
    const [listenerSlots, routeSlots]: [Slot[], Slot[]] = [[], []];
    for (const change of changes) {
      if (change.kind === "listener_put") {
        listenerSlots.push([change.listener.id, this.#listeners.get(change.listener.id)!]);
      } else if (change.kind === "route_put") {
        routeSlots.push([change.route.id, this.#routes.get(change.route.id)!]);
      }
    }
    return { listenerSlots, routeSlots };
  }
}

function ownersIn({ listeners }: Configuration): SlotOwners {
  return {
    listenerIds: listeners.map(({ id }) => id),
    routeIds: listeners.flatMap(({ routes }) => routes.map(({ id }) => id)),
  };
}
