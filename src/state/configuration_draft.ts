/**
 * A configuration that is being edited, one checked step after the other. What comes out is valid when what went in
 * was.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import type { ListenerSettings } from "./change.ts";
import type { Issue } from "./issue.ts";
import { addressesOverlap, formatEndpoint } from "./listen_address.ts";
import type { Configuration, Endpoint, FirewallRule, Listener, ListenerSeed, Route, Seed } from "./model.ts";
import { RULES_PER_VALUE_MAX, validateListener, validateRoute, validateRule } from "./validate.ts";

/** The ids that the next new items get. */
export interface FirstFreeIds {
  /** For a listener. */
  readonly listener: number;
  /** For a route. */
  readonly route: number;
  /** For a firewall rule. */
  readonly firewallRule: number;
}

/** Which route is meant: by its id, or by its place. */
export type RouteReference =
  | { readonly id: number }
  | { readonly listener: Endpoint | undefined; readonly hostname: string };

interface ListenerDraft {
  readonly settings: ListenerSettings;
  /** By hostname. */
  readonly routes: Map<string, Route>;
}

/** Firewall rules that may stand at once. */
export const RULES_MAX = 200_000;

/**
 * Edits a copy of a configuration. Every step throws a `ProxyError` when it is wrong, with the draft as it was before:
 * `invalid` with the field, `not_found`, `already_exists`.
 */
export class ConfigurationDraft {
  readonly #listeners = new Map<number, ListenerDraft>();
  readonly #rules = new Map<number, FirewallRule>();
  readonly #rulesByValue = new Map<string, readonly FirewallRule[]>();
  readonly #next: { listener: number; route: number; firewallRule: number };

  /** Begins with `configuration`, which stays as it is; new items get ids from `next` on. */
  constructor(configuration: Configuration, next: FirstFreeIds) {
    this.#next = { ...next };
    this.#load(configuration);
  }

  /** Adds a listener with its routes. */
  addListener(seed: ListenerSeed): Listener {
    refuseIssues(validateListener(seed, "listener"));
    for (const { settings } of this.#listeners.values()) {
      if (!addressesOverlap(settings.address, seed.address)) continue;
      const text = `listener ${formatEndpoint(seed.address)} overlaps ${formatEndpoint(settings.address)}`;
      throw new ProxyError("already_exists", text, { field: "listener.addr" });
    }
    const { routes: routeSeeds, ...rest } = seed;
    const settings = { ...rest, id: this.#next.listener++ };
    const routes = routeSeeds.map((route) => ({ ...route, id: this.#next.route++ }));
    this.#listeners.set(settings.id, {
      settings,
      routes: new Map(routes.map((route) => [route.hostname, route])),
    });
    return { ...settings, routes };
  }

  /** Gives a listener other settings; its id, address and routes stay. */
  updateListener(seed: Omit<ListenerSeed, "routes">, id: number): ListenerSettings {
    const draft = id === 0 ? this.#listenerAt(seed.address) : this.#listener(id);
    refuseIssues(validateListener({ ...seed, routes: [] }, "listener"));
    if (formatEndpoint(draft.settings.address) !== formatEndpoint(seed.address)) {
      const wanted = "a listener's address can't change: remove it and add another";
      throw new ProxyError("invalid", wanted, { field: "listener.addr" });
    }
    const settings = { ...seed, id: draft.settings.id };
    this.#listeners.set(settings.id, { settings, routes: draft.routes });
    return settings;
  }

  /** Removes a listener and its routes. */
  removeListener(reference: number | Endpoint): Listener {
    const { settings, routes } = typeof reference === "number"
      ? this.#listener(reference)
      : this.#listenerAt(reference);
    this.#listeners.delete(settings.id);
    return { ...settings, routes: [...routes.values()] };
  }

  /** Adds a route. @param listener its address; absent = the only one */
  addRoute(listener: Endpoint | undefined, seed: Seed<Route>): { listenerId: number; route: Route } {
    const draft = this.#listenerAt(listener, "route.listener");
    refuseIssues(validateRoute(seed, "route"));
    this.#refuseHostname(draft, seed.hostname);
    const route = { ...seed, id: this.#next.route++ };
    draft.routes.set(route.hostname, route);
    return { listenerId: draft.settings.id, route };
  }

  /** Replaces a route's values. @param change gives the new ones for those that stand */
  updateRoute(
    reference: RouteReference,
    change: (route: Route) => Seed<Route>,
  ): { listenerId: number; route: Route } {
    const { draft, route: before } = this.#find(reference, "route.listener");
    const seed = change(before);
    refuseIssues(validateRoute(seed, "route"));
    if (seed.hostname !== before.hostname) this.#refuseHostname(draft, seed.hostname);
    const route = { ...seed, id: before.id };
    draft.routes.delete(before.hostname);
    draft.routes.set(route.hostname, route);
    return { listenerId: draft.settings.id, route };
  }

  /** Removes a route. */
  removeRoute(reference: RouteReference): { listenerId: number; route: Route } {
    const { draft, route } = this.#find(reference, "listener");
    draft.routes.delete(route.hostname);
    return { listenerId: draft.settings.id, route };
  }

  /** Adds a firewall rule. */
  addRule(seed: Seed<FirewallRule>): FirewallRule {
    refuseIssues(validateRule(seed, "rule"));
    if (this.#rules.size >= RULES_MAX) throw new ProxyError("invalid", `at most ${RULES_MAX} rules are held`);
    const namesakes = this.#rulesByValue.get(keyOf(seed)) ?? [];
    if (namesakes.length >= RULES_PER_VALUE_MAX) {
      const text = `at most ${RULES_PER_VALUE_MAX} rules for one value`;
      throw new ProxyError("invalid", text, { field: "rule.value" });
    }
    refuseTwin(namesakes, seed);
    const rule = { ...seed, id: this.#next.firewallRule++ };
    this.#rules.set(rule.id, rule);
    this.#note(rule);
    return rule;
  }

  /** Removes a firewall rule. */
  removeRule(id: number): FirewallRule {
    const rule = this.#rules.get(id);
    if (rule === undefined) throw new ProxyError("not_found", `there is no firewall rule ${id}`);
    this.#rules.delete(id);
    const rest = this.#rulesByValue.get(keyOf(rule))!.filter((each) => each !== rule);
    if (rest.length > 0) this.#rulesByValue.set(keyOf(rule), rest);
    else this.#rulesByValue.delete(keyOf(rule));
    return rule;
  }

  /** Puts a whole valid configuration, ids included, in the place of what is here. */
  replace(configuration: Configuration): void {
    this.#listeners.clear();
    this.#rules.clear();
    this.#rulesByValue.clear();
    this.#load(configuration);
  }

  #load(configuration: Configuration): void {
    for (const { routes, ...settings } of configuration.listeners) {
      const byHostname = new Map(routes.map((route) => [route.hostname, route]));
      this.#listeners.set(settings.id, { settings, routes: byHostname });
    }
    for (const rule of configuration.firewallRules) {
      this.#rules.set(rule.id, rule);
      this.#note(rule);
    }
  }

  /** The configuration as it now is, everything in the order of its ids. */
  configuration(): Configuration {
    const listeners = [...this.#listeners.values()].map(({ settings, routes }) => ({
      ...settings,
      routes: [...routes.values()].sort(byId),
    }));
    return { listeners: listeners.sort(byId), firewallRules: [...this.#rules.values()].sort(byId) };
  }

  #listener(id: number): ListenerDraft {
    const found = this.#listeners.get(id);
    if (found === undefined) throw new ProxyError("not_found", `there is no listener ${id}`);
    return found;
  }

  /** @param field names the address in the error for an ambiguous one */
  #listenerAt(address: Endpoint | undefined, field = "listener"): ListenerDraft {
    const all = [...this.#listeners.values()];
    if (address === undefined) {
      if (all.length === 1) return all[0]!;
      const text = `which listener is meant must be said: there are ${all.length}`;
      throw new ProxyError("invalid", text, { field });
    }
    const text = formatEndpoint(address);
    const found = all.find(({ settings }) => formatEndpoint(settings.address) === text);
    if (found === undefined) throw new ProxyError("not_found", `there is no listener ${text}`);
    return found;
  }

  #find(reference: RouteReference, field: string): { draft: ListenerDraft; route: Route } {
    if (!("id" in reference)) {
      const draft = this.#listenerAt(reference.listener, field);
      const route = draft.routes.get(reference.hostname);
      if (route !== undefined) return { draft, route };
      const where = formatEndpoint(draft.settings.address);
      throw new ProxyError(
        "not_found",
        `listener ${where} has no route ${JSON.stringify(reference.hostname)}`,
      );
    }
    for (const draft of this.#listeners.values()) {
      for (const route of draft.routes.values()) if (route.id === reference.id) return { draft, route };
    }
    throw new ProxyError("not_found", `there is no route ${reference.id}`);
  }

  #refuseHostname({ settings, routes }: ListenerDraft, hostname: string): void {
    if (!routes.has(hostname)) return;
    const text = `listener ${formatEndpoint(settings.address)} has a route ${
      JSON.stringify(hostname)
    } already`;
    throw new ProxyError("already_exists", text, { field: "route.hostname" });
  }

  #note(rule: FirewallRule): void {
    const key = keyOf(rule);
    const namesakes = this.#rulesByValue.get(key);
    this.#rulesByValue.set(key, namesakes === undefined ? [rule] : [...namesakes, rule]);
  }
}

function refuseTwin(
  namesakes: readonly FirewallRule[],
  { action, mode, expiresAtMs }: Seed<FirewallRule>,
): void {
  const twin = namesakes.find((rule) =>
    rule.action === action && rule.mode === mode && rule.expiresAtMs === expiresAtMs
  );
  if (twin === undefined) return;
  throw new ProxyError("already_exists", `firewall rule ${twin.id} says the same`, { field: "rule.value" });
}

function keyOf(rule: Seed<FirewallRule>): string {
  return `${rule.type} ${rule.value}`;
}

function byId(left: { readonly id: number }, right: { readonly id: number }): number {
  return left.id - right.id;
}

/** What stands beside a route's other keys in a TOML file has a message of its own in the API, and a time another name. */
const L7_KEY =
  /\.(tls_cert|tls_key|backend_ca|backend_protocol|backend_server_name|acme_backend|max_body_bytes)$/;

function refuseIssues(issues: readonly Issue[]): void {
  const [issue] = issues;
  if (issue === undefined) return;
  const field = issue.path.replace(L7_KEY, ".l7.$1").replace(/\.expires$/, ".expire_time");
  throw new ProxyError("invalid", `${field}: wanted ${issue.wanted}, got ${issue.got}`, { field });
}
