/**
 * Hands out places in the shared memory to listeners and routes.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { LISTENERS_MAX, ROUTES_MAX } from "../observe/counters.ts";
import type { Slot } from "../proxy/messages.ts";
import type { Configuration } from "../state/model.ts";

/** Slots of one kind by id. An id keeps its slot for the process's life; ids are never reused, nor are slots. */
class SlotTable {
  readonly #byId = new Map<number, number>();
  readonly #noun: string;
  readonly #max: number;

  constructor(noun: string, max: number) {
    this.#noun = noun;
    this.#max = max;
  }

  assign(ids: Iterable<number>): void {
    for (const id of ids) {
      if (this.#byId.has(id)) continue;
      if (this.#byId.size >= this.#max) {
        throw new ProxyError(
          "unavailable",
          `more than ${this.#max} ${this.#noun}s since the start: restart to go on`,
        );
      }
      this.#byId.set(id, this.#byId.size);
    }
  }

  get(id: number): number | undefined {
    return this.#byId.get(id);
  }

  entries(): Slot[] {
    return [...this.#byId];
  }
}

/** Where the gauges and counters of listeners and routes stand. */
export class Slots {
  readonly #listeners = new SlotTable("listener", LISTENERS_MAX);
  readonly #routes = new SlotTable("route", ROUTES_MAX);

  /** Gives a slot to everything in `configuration` that has none. @throws ProxyError unavailable when there is no more */
  assign(configuration: Configuration): void {
    this.#listeners.assign(configuration.listeners.map((listener) => listener.id));
    for (const listener of configuration.listeners) {
      this.#routes.assign(listener.routes.map((route) => route.id));
    }
  }

  /** A listener's slot. */
  listener(id: number): number | undefined {
    return this.#listeners.get(id);
  }

  /** A route's slot. */
  route(id: number): number | undefined {
    return this.#routes.get(id);
  }

  /** All listeners' slots. */
  listeners(): Slot[] {
    return this.#listeners.entries();
  }

  /** All routes' slots. */
  routes(): Slot[] {
    return this.#routes.entries();
  }
}
