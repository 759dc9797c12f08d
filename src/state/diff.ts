/**
 * The difference between two configurations, and what a configuration becomes by it.
 *
 * A configuration's lists are ordered by id. What comes out of here always is, and shares every unchanged part
 * with what went in.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import type { Change, ListenerSettings } from "./change.ts";
import type { Configuration, Listener } from "./model.ts";
import { runToEnd, SLICE_UNITS_MAX, type Sliced } from "./slices.ts";

/** The configuration without anything. */
export const EMPTY_CONFIGURATION: Configuration = Object.freeze({
  listeners: Object.freeze([]),
  firewallRules: Object.freeze([]),
});

/**
 * The changes that turn `from` into `to`: `applyChanges(from, diffConfiguration(from, to))` equals `to` (ordered
 * by id). Removals come first, so that a hostname or address is free before it is taken again.
 */
export function diffConfiguration(from: Configuration, to: Configuration): Change[] {
  return runToEnd(diffSlices(from, to));
}

/** {@linkcode diffConfiguration} in slices. */
export function* diffSlices(from: Configuration, to: Configuration): Sliced<Change[]> {
  const listeners = yield* diffById(from.listeners, to.listeners, equalSettings);
  const rules = yield* diffById(from.firewallRules, to.firewallRules, equalValues);
  const removals: Change[] = [];
  const puts: Change[] = [];

  for (const listener of listeners.removed) {
    for (const route of listener.routes) {
      removals.push({ kind: "route_removed", listenerId: listener.id, route });
    }
    removals.push({ kind: "listener_removed", listener: settingsOf(listener) });
  }
  for (const { value, previous } of listeners.put) {
    const listener = settingsOf(value);
    puts.push(
      previous === undefined
        ? { kind: "listener_put", listener }
        : { kind: "listener_put", listener, previous: settingsOf(previous) },
    );
  }
  const fromById = new Map(from.listeners.map((listener) => [listener.id, listener]));
  for (const { id: listenerId, routes } of orderedById(to.listeners)) {
    const diff = yield* diffById(fromById.get(listenerId)?.routes ?? [], routes, equalValues);
    for (const route of diff.removed) removals.push({ kind: "route_removed", listenerId, route });
    for (const { value: route, previous } of diff.put) {
      puts.push(
        previous === undefined
          ? { kind: "route_put", listenerId, route }
          : { kind: "route_put", listenerId, route, previous },
      );
    }
  }
  for (const rule of rules.removed) removals.push({ kind: "rule_removed", rule });
  for (const { value: rule, previous } of rules.put) {
    puts.push(previous === undefined ? { kind: "rule_put", rule } : { kind: "rule_put", rule, previous });
  }
  return [...removals, ...puts];
}

interface ListDiff<Item> {
  readonly removed: Item[];
  readonly put: { readonly value: Item; readonly previous: Item | undefined }[];
}

/** One walk over two lists ordered by id. */
function* diffById<Item extends { readonly id: number }>(
  from: readonly Item[],
  to: readonly Item[],
  areEqual: (left: Item, right: Item) => boolean,
): Sliced<ListDiff<Item>> {
  const diff: ListDiff<Item> = { removed: [], put: [] };
  const [before, after] = [orderedById(from), orderedById(to)];
  let units = 0;
  for (let left = 0, right = 0; left < before.length || right < after.length;) {
    if (++units === SLICE_UNITS_MAX) {
      yield units;
      units = 0;
    }
    const [previous, value] = [before[left], after[right]];
    if (value === undefined || (previous !== undefined && previous.id < value.id)) {
      if (previous !== undefined) diff.removed.push(previous);
      left++;
    } else if (previous === undefined || value.id < previous.id) {
      diff.put.push({ value, previous: undefined });
      right++;
    } else {
      if (previous !== value && !areEqual(previous, value)) diff.put.push({ value, previous });
      left++;
      right++;
    }
  }
  yield units;
  return diff;
}

/**
 * What a configuration becomes by changes, applied in order.
 *
 * @throws {ProxyError} `conflict` when a change doesn't fit: it replaces or removes what isn't there as it says,
 * adds an id that is there, or leaves routes without a listener
 */
export function applyChanges(configuration: Configuration, changes: readonly Change[]): Configuration {
  const draft = new Draft(configuration);
  for (const change of changes) draft.apply(change);
  return draft.configuration();
}

class Draft {
  readonly #listeners: DraftList<ListenerSettings>;
  readonly #rules: DraftList<Configuration["firewallRules"][number]>;
  readonly #routesByListener = new Map<number, DraftList<Listener["routes"][number]>>();
  readonly #before: Configuration;

  constructor(configuration: Configuration) {
    this.#before = configuration;
    this.#listeners = new DraftList("listener", configuration.listeners.map(settingsOf));
    this.#rules = new DraftList("rule", configuration.firewallRules);
  }

  apply(change: Change): void {
    switch (change.kind) {
      case "listener_put":
        return this.#listeners.put(change.listener, change.previous);
      case "listener_removed":
        if (this.#routesOf(change.listener.id).values().length > 0) {
          throw new ProxyError("conflict", `can't remove listener ${change.listener.id}: it has routes`);
        }
        return this.#listeners.remove(change.listener);
      case "route_put":
        return this.#routesOf(change.listenerId).put(change.route, change.previous);
      case "route_removed":
        return this.#routesOf(change.listenerId).remove(change.route);
      case "rule_put":
        return this.#rules.put(change.rule, change.previous);
      case "rule_removed":
        return this.#rules.remove(change.rule);
    }
  }

  #routesOf(listenerId: number): DraftList<Listener["routes"][number]> {
    let routes = this.#routesByListener.get(listenerId);
    if (routes === undefined) {
      if (!this.#listeners.has(listenerId)) {
        throw new ProxyError("conflict", `can't change routes of listener ${listenerId}: there is none`);
      }
      const listener = this.#before.listeners.find((candidate) => candidate.id === listenerId);
      routes = new DraftList("route", listener?.routes ?? []);
      this.#routesByListener.set(listenerId, routes);
    }
    return routes;
  }

  configuration(): Configuration {
    const before = new Map(this.#before.listeners.map((listener) => [listener.id, listener]));
    const listeners = this.#listeners.values().map((settings): Listener => {
      const old = before.get(settings.id);
      const routes = this.#routesByListener.get(settings.id)?.values() ?? orderedById(old?.routes ?? []);
      return old !== undefined && old.routes === routes && equalSettings(old, settings)
        ? old
        : { ...settings, routes };
    });
    return { listeners, firewallRules: this.#rules.values() };
  }
}

/** A list ordered by id with changes on top of it, merged when it is asked for. */
class DraftList<Item extends { readonly id: number }> {
  readonly #noun: string;
  readonly #before: readonly Item[];
  /** `undefined` = removed. */
  readonly #changed = new Map<number, Item | undefined>();

  constructor(noun: string, items: readonly Item[]) {
    this.#noun = noun;
    this.#before = orderedById(items);
  }

  has(id: number): boolean {
    return this.#get(id) !== undefined;
  }

  #get(id: number): Item | undefined {
    return this.#changed.has(id) ? this.#changed.get(id) : findById(this.#before, id);
  }

  put(item: Item, previous: Item | undefined): void {
    this.#expect(item.id, previous);
    this.#changed.set(item.id, item);
  }

  remove(previous: Item): void {
    this.#expect(previous.id, previous);
    this.#changed.set(previous.id, undefined);
  }

  #expect(id: number, previous: Item | undefined): void {
    if (!equalValues(this.#get(id), previous)) {
      throw new ProxyError("conflict", `a change of ${this.#noun} ${id} doesn't fit what is there`);
    }
  }

  values(): readonly Item[] {
    if (this.#changed.size === 0) return this.#before;
    const kept = this.#before.filter((item) => !this.#changed.has(item.id));
    const put = [...this.#changed.values()].filter((item) => item !== undefined);
    return orderedById([...kept, ...put]);
  }
}

function settingsOf(listener: ListenerSettings & { readonly routes?: unknown }): ListenerSettings {
  const { routes: _, ...settings } = listener;
  return settings;
}

function equalSettings(left: ListenerSettings, right: ListenerSettings): boolean {
  return equalValues(settingsOf(left), settingsOf(right));
}

/** The list itself when it is in order, else an ordered copy. */
function orderedById<Item extends { readonly id: number }>(items: readonly Item[]): readonly Item[] {
  for (let index = 1; index < items.length; index++) {
    if ((items[index - 1] as Item).id > (items[index] as Item).id) {
      return [...items].sort((left, right) => left.id - right.id);
    }
  }
  return items;
}

function findById<Item extends { readonly id: number }>(
  items: readonly Item[],
  id: number,
): Item | undefined {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((items[middle] as Item).id < id) low = middle + 1;
    else high = middle;
  }
  return items[low]?.id === id ? items[low] : undefined;
}

/** Deep equality of plain JSON values; an absent member equals an undefined one. */
function equalValues(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const name of names) {
    if (!equalValues(Reflect.get(left, name), Reflect.get(right, name))) return false;
  }
  return true;
}
