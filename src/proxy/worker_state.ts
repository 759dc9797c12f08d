/**
 * The state that a worker serves and the one that it prepares: listening sockets, slots, certificates, GeoIP database.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { CountryDatabase } from "../net/geoip.ts";
import { inSlices } from "../net/in_slices.ts";
import type { IpAddress } from "../policy/ip_address.ts";
import type { Change } from "../state/change.ts";
import { changeRuntimeState, emptyRuntimeState, type RuntimeState } from "../state/runtime_state.ts";
import { DEFAULT_LIMITS } from "../state/limits.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { LimitMode } from "../state/settings.ts";
import { BoundListener } from "./listener.ts";
import type { PemPiece, PrepareMessage, RoutePems, SlotOwners, StateOptions } from "./messages.ts";
import { RouteCertificates } from "./route_certificates.ts";
import { type SlotUser, unusedSlots } from "./slot_users.ts";

/** A state that is built and bound, and not yet served. */
interface Prepared {
  readonly state: RuntimeState;
  /** Those of the state; the ones bound for it are not accepting yet. */
  readonly listeners: ReadonlyMap<number, BoundListener>;
  readonly added: readonly BoundListener[];
  readonly certificates: RouteCertificates;
  readonly countries: CountryDatabase | undefined;
  readonly limitMode: LimitMode;
  readonly tellsRequests: boolean;
}

/** What the parts of a preparation have told so far. */
interface Parts {
  readonly changes: Change[];
  readonly pemPieces: PemPiece[];
  readonly routePems: RoutePems[];
}

/** What a worker serves, and how it comes to serve something else: prepare, then activate or abort. */
export class WorkerState {
  /** The state that new connections begin with. */
  current: RuntimeState = emptyRuntimeState({
    revision: 0,
    generation: 0,
    limits: DEFAULT_LIMITS,
    blockUnknownCountry: false,
  });

  readonly #geoipMemory: ArrayBuffer;
  readonly #onLookupError: () => void;
  readonly #listenerSlots = new Map<number, number>();
  readonly #routeSlots = new Map<number, number>();
  #listeners: ReadonlyMap<number, BoundListener> = new Map();
  #countries: CountryDatabase | undefined;
  #certificates = RouteCertificates.NONE;
  /** Settled when the addresses are free on which the last activation has stopped to listen. */
  closed: Promise<unknown> = Promise.resolve();
  /** Whether limits by address are enforced. */
  limitMode: LimitMode = "enforce";
  /** Whether each request is told as an event. */
  tellsRequests = false;
  #parts = noParts();
  #prepared: Prepared | undefined;

  /**
   * Serves nothing yet.
   *
   * @param geoipMemory the mapped memory file
   * @param onLookupError called when a GeoIP lookup fails
   */
  constructor(geoipMemory: ArrayBuffer, onLookupError: () => void) {
    this.#geoipMemory = geoipMemory;
    this.#onLookupError = onLookupError;
  }

  /** Listeners of the current state. */
  get listeners(): Iterable<BoundListener> {
    return this.#listeners.values();
  }

  /** The route's slot in the shared memory. @throws ProxyError internal for a route that was never told, or forgotten */
  routeSlot(routeId: number): number {
    const slot = this.#routeSlots.get(routeId);
    if (slot === undefined) throw new ProxyError("internal", `route ${routeId} has no slot`);
    return slot;
  }

  /** Lets go of the slots that nothing here will count anything in. @returns whose those are */
  forget(asked: SlotOwners, connections: Iterable<SlotUser>): SlotOwners {
    const unused = unusedSlots(asked, this.current, connections);
    for (const id of unused.listenerIds) this.#listenerSlots.delete(id);
    for (const id of unused.routeIds) this.#routeSlots.delete(id);
    return unused;
  }

  /** ISO code of an address, or `undefined`. */
  country(address: IpAddress): string | undefined {
    return this.#countries?.country(address);
  }

  /** Certificates of the current state. */
  get certificates(): RouteCertificates {
    return this.#certificates;
  }

  /**
   * Takes one part of the next state; with the last one builds it and binds its new listeners.
   *
   * @returns whether a state now stands prepared
   * @throws whatever building or binding throws; nothing has changed then
   */
  async prepare(message: PrepareMessage): Promise<boolean> {
    for (const [id, slot] of message.listenerSlots) this.#listenerSlots.set(id, slot);
    for (const [id, slot] of message.routeSlots) this.#routeSlots.set(id, slot);
    for (const change of message.changes) this.#parts.changes.push(change);
    for (const piece of message.pemPieces) this.#parts.pemPieces.push(piece);
    for (const pems of message.routePems) this.#parts.routePems.push(pems);
    if (message.last === undefined) return false;
    const parts = this.#parts;
    this.abort();
    this.#prepared = await this.#build(message, parts, message.last);
    return true;
  }

  async #build(message: PrepareMessage, parts: Parts, options: StateOptions): Promise<Prepared> {
    const { revision, generation } = message;
    const { changes, pemPieces, routePems } = parts;
    const { limits, blockUnknownCountry, limitMode, tellsRequests, geoip } = options;
    const context = { revision, generation, limits, blockUnknownCountry };
    const state = await inSlices(changeRuntimeState(this.current, changes, context));
    const isServed = (routeId: number) => state.routesById.get(routeId)?.l7 !== undefined;
    const certificates = this.#certificates.next({ pemPieces, routePems, isServed });
    const countries = geoip && new CountryDatabase(
      new Uint8Array(this.#geoipMemory, geoip.offset, geoip.sizeBytes),
      this.#onLookupError,
    );
    const listeners = new Map<number, BoundListener>();
    const added: BoundListener[] = [];
    try {
      for (const { id, routeTable: _, trustedProxies: __, ...settings } of state.listenersById.values()) {
        const standing = this.#listeners.get(id);
        const stays = standing?.name === formatEndpoint(settings.address);
        const bound = stays ? standing! : this.#bind({ ...settings, id, routes: [], trustedProxies: [] });
        if (!stays) added.push(bound);
        listeners.set(id, bound);
      }
    } catch (error) {
      for (const bound of added) void bound.close();
      throw error;
    }
    return { state, listeners, added, certificates, countries, limitMode, tellsRequests };
  }

  #bind(listener: ConstructorParameters<typeof BoundListener>[0]): BoundListener {
    const slot = this.#listenerSlots.get(listener.id);
    if (slot === undefined) throw new ProxyError("internal", `listener ${listener.id} has no slot`);
    return new BoundListener(listener, slot);
  }

  /**
   * Serves the prepared state from now on and stops listening where it doesn't.
   *
   * @returns the listeners that have to start accepting
   * @throws ProxyError internal when that state doesn't stand prepared
   */
  activate(revision: number, generation: number): readonly BoundListener[] {
    const prepared = this.#prepared;
    if (prepared?.state.revision !== revision || prepared.state.generation !== generation) {
      throw new ProxyError("internal", `revision ${revision}.${generation} does not stand prepared`);
    }
    this.#prepared = undefined;
    const closing: Promise<void>[] = [];
    for (const [id, bound] of this.#listeners) {
      if (prepared.listeners.get(id) !== bound) closing.push(bound.close());
    }
    this.closed = Promise.all(closing);
    for (const { id, maxConnections } of prepared.state.listenersById.values()) {
      prepared.listeners.get(id)!.maxConnections = maxConnections;
    }
    this.current = prepared.state;
    this.#listeners = prepared.listeners;
    this.#certificates = prepared.certificates;
    this.#countries = prepared.countries;
    this.limitMode = prepared.limitMode;
    this.tellsRequests = prepared.tellsRequests;
    return prepared.added;
  }

  /** Drops what was prepared; what is served goes on. */
  abort(): void {
    for (const bound of this.#prepared?.added ?? []) void bound.close();
    this.#prepared = undefined;
    this.#parts = noParts();
  }

  /** Stops listening everywhere, for good. */
  closeListeners(): void {
    this.abort();
    for (const bound of this.#listeners.values()) void bound.close();
  }
}

function noParts(): Parts {
  return { changes: [], pemPieces: [], routePems: [] };
}
