/**
 * The one immutable value that the data plane works from, and how the next one is made from it.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { parseAddressOrCidr } from "../policy/cidr.ts";
import type { DecisionTables } from "../policy/decide.ts";
import { type IdentifiedValue, IpSet } from "../policy/ip_set.ts";
import { RouteTable } from "../policy/route_table.ts";
import type { Change, ListenerSettings } from "./change.ts";
import { FirewallDraft } from "./firewall_draft.ts";
import type { Limits } from "./limits.ts";
import { formatEndpoint } from "./listen_address.ts";
import type { Configuration, Endpoint, Route } from "./model.ts";
import { SLICE_UNITS_MAX, type Sliced } from "./slices.ts";

/** A listener as connections use it. Immutable. */
export interface RuntimeListener {
  /** The listener's id. */
  readonly id: number;
  /** Where it listens; canonical. */
  readonly address: Endpoint;
  /** Most connections open at once over all workers; 0 = no limit. */
  readonly maxConnections: number;
  /** Every connection must begin with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
  /** Who may send that header: those for whom `lookup` finds anything. */
  readonly trustedProxies: IpSet<IdentifiedValue>;
  /** Its routes, disabled ones included. */
  readonly routeTable: RouteTable<Route>;
}

/** What a state is besides its configuration. */
export interface RuntimeStateContext {
  /** Number of the configuration's revision. */
  readonly revision: number;
  /** Counts up when a file (certificate, GeoIP) changes under the same revision. */
  readonly generation: number;
  /** Effective limits, fixed from the start of the program. */
  readonly limits: Limits;
  /** `[firewall] block_unknown_country`. */
  readonly blockUnknownCountry: boolean;
}

/**
 * Everything that a connection's fate depends on. Immutable and swapped whole; a connection may keep the one it
 * began with. The next state shares all unchanged parts with it.
 */
export interface RuntimeState extends DecisionTables<Route> {
  /** Number of the configuration's revision. */
  readonly revision: number;
  /** Counts up when a file changes under the same revision. */
  readonly generation: number;
  /** Effective limits. */
  readonly limits: Limits;
  /** Listeners by id. */
  readonly listenersById: ReadonlyMap<number, RuntimeListener>;
  /** Listeners by canonical address, as `formatEndpoint` writes it. */
  readonly listenersByAddress: ReadonlyMap<string, RuntimeListener>;
  /** Routes of all listeners by id, disabled ones included. */
  readonly routesById: ReadonlyMap<number, Route>;
}

/**
 * Builds the state of a whole configuration, in slices: `runToEnd(buildRuntimeState(…))`, or one `next()` per
 * turn of the event loop. The configuration must be valid (`validateConfiguration` finds nothing).
 *
 * @throws {ProxyError} `conflict` when it isn't: a duplicate id, a value that isn't canonical
 */
export function buildRuntimeState(
  configuration: Configuration,
  context: RuntimeStateContext,
): Sliced<RuntimeState> {
  return changeRuntimeState(emptyRuntimeState(context), additionsOf(configuration), context);
}

/** The state that serves nothing. */
export function emptyRuntimeState(context: RuntimeStateContext): RuntimeState {
  const firewall = new FirewallDraft(undefined).build(context.blockUnknownCountry);
  return freezeState(context, firewall, new Map(), new Map());
}

/** A whole configuration as the changes that make it from nothing, one at a time. */
function* additionsOf(configuration: Configuration): Iterable<Change> {
  for (const { routes, ...listener } of configuration.listeners) {
    yield { kind: "listener_put", listener };
    for (const route of routes) yield { kind: "route_put", listenerId: listener.id, route };
  }
  for (const rule of configuration.firewallRules) yield { kind: "rule_put", rule };
}

/**
 * Builds the state that follows `previous` by changes, in slices. `previous` stays as it is. The work is that of
 * the changes, plus one copy of the routes of each listener whose routes change.
 *
 * @throws {ProxyError} `conflict` when a change doesn't fit `previous`; nothing has happened then
 */
export function* changeRuntimeState(
  previous: RuntimeState,
  changes: Iterable<Change>,
  context: RuntimeStateContext,
): Sliced<RuntimeState> {
  const firewall = new FirewallDraft(previous.firewall);
  const listeners = new ListenersDraft(previous);
  let units = 0;
  for (const change of changes) {
    switch (change.kind) {
      case "rule_put":
        if (change.previous !== undefined) firewall.remove(change.previous);
        firewall.add(change.rule);
        break;
      case "rule_removed":
        firewall.remove(change.rule);
        break;
      case "route_put":
      case "route_removed":
        yield* listeners.open(change.listenerId);
        listeners.applyToRoutes(change);
        break;
      case "listener_put":
      case "listener_removed":
        listeners.apply(change);
    }
    if (++units === SLICE_UNITS_MAX) {
      yield units;
      units = 0;
    }
  }
  yield units;
  return freezeState(context, firewall.build(context.blockUnknownCountry), ...listeners.build());
}

function freezeState(
  context: RuntimeStateContext,
  firewall: RuntimeState["firewall"],
  listenersById: ReadonlyMap<number, RuntimeListener>,
  routesById: ReadonlyMap<number, Route>,
): RuntimeState {
  const { revision, generation, limits } = context;
  const listenersByAddress = new Map<string, RuntimeListener>();
  for (const listener of listenersById.values()) {
    listenersByAddress.set(formatEndpoint(listener.address), listener);
  }
  return Object.freeze({
    revision,
    generation,
    limits,
    firewall,
    rateLimited: limits.rateLimit > 0,
    listenersById,
    listenersByAddress,
    routesById,
  });
}

/** Listeners and routes of a state in the making: maps are copied when they are first changed, never before. */
class ListenersDraft {
  readonly #listeners: Map<number, RuntimeListener>;
  readonly #routesByHostname = new Map<number, Map<string, Route>>();
  #routesById: ReadonlyMap<number, Route>;
  #ownRoutesById: Map<number, Route> | undefined;

  constructor(previous: RuntimeState) {
    this.#listeners = new Map(previous.listenersById);
    this.#routesById = previous.routesById;
  }

  apply(change: Change & { readonly kind: "listener_put" | "listener_removed" }): void {
    const { listener } = change;
    const before = this.#listeners.get(listener.id);
    const replaces = change.kind === "listener_removed" || change.previous !== undefined;
    if ((before !== undefined) !== replaces) throw misfit("listener", listener.id);
    if (change.kind === "listener_put") {
      this.#listeners.set(listener.id, runtimeListener(listener, before?.routeTable ?? NO_ROUTES));
      return;
    }
    const routes = this.#routesByHostname.get(listener.id)?.size ?? before?.routeTable.byHostname.size;
    if (routes !== 0) throw misfit("listener", listener.id);
    this.#listeners.delete(listener.id);
    this.#routesByHostname.delete(listener.id);
  }

  /** Makes a listener's routes changeable. */
  *open(listenerId: number): Sliced<void> {
    if (this.#ownRoutesById === undefined) {
      this.#ownRoutesById = yield* copyMap(this.#routesById);
      this.#routesById = this.#ownRoutesById;
    }
    if (this.#routesByHostname.has(listenerId)) return;
    const listener = this.#listeners.get(listenerId);
    if (listener === undefined) throw misfit("listener", listenerId);
    this.#routesByHostname.set(listenerId, yield* copyMap(listener.routeTable.byHostname));
  }

  /** Applies a change of a route whose listener is open. */
  applyToRoutes(change: Change & { readonly kind: "route_put" | "route_removed" }): void {
    const byHostname = this.#routesByHostname.get(change.listenerId);
    const byId = this.#ownRoutesById;
    if (byHostname === undefined || byId === undefined) throw misfit("listener", change.listenerId);
    const { route } = change;
    const before = byId.get(route.id);
    const replaces = change.kind === "route_removed" || change.previous !== undefined;
    if ((before !== undefined) !== replaces) throw misfit("route", route.id);
    // Two routes can swap hostnames in one diff: the first has then taken the second's place already.
    if (before !== undefined && byHostname.get(before.hostname) === before) {
      byHostname.delete(before.hostname);
    }
    if (change.kind === "route_removed") {
      byId.delete(route.id);
    } else {
      byId.set(route.id, route);
      byHostname.set(route.hostname, route);
    }
  }

  build(): [ReadonlyMap<number, RuntimeListener>, ReadonlyMap<number, Route>] {
    for (const [id, byHostname] of this.#routesByHostname) {
      const listener = this.#listeners.get(id);
      if (listener === undefined) continue;
      this.#listeners.set(id, Object.freeze({ ...listener, routeTable: new RouteTable(byHostname) }));
    }
    return [this.#listeners, this.#routesById];
  }
}

const NO_ROUTES: RouteTable<Route> = new RouteTable<Route>(new Map());

function runtimeListener(settings: ListenerSettings, routeTable: RouteTable<Route>): RuntimeListener {
  const { id, address, maxConnections, proxyProtocol } = settings;
  const trusted = IpSet.empty<IdentifiedValue>().builder();
  for (const [index, text] of settings.trustedProxies.entries()) {
    const range = parseAddressOrCidr(text);
    if (range === undefined) throw new ProxyError("conflict", `"${text}" is no address or CIDR`);
    trusted.add(range, { id: index });
  }
  const trustedProxies = trusted.build();
  return Object.freeze({ id, address, maxConnections, proxyProtocol, trustedProxies, routeTable });
}

function* copyMap<Key, Value>(map: ReadonlyMap<Key, Value>): Sliced<Map<Key, Value>> {
  const copy = new Map<Key, Value>();
  for (const [key, value] of map) {
    copy.set(key, value);
    if (copy.size % SLICE_UNITS_MAX === 0) yield SLICE_UNITS_MAX;
  }
  return copy;
}

function misfit(noun: string, id: number): ProxyError {
  return new ProxyError("conflict", `a change of ${noun} ${id} doesn't fit what is there`);
}
