/**
 * What a TOML file seeds, compared with and turned into what a database holds. Pure.
 *
 * @module
 */

import type { Configuration, ConfigurationSeed } from "../state/model.ts";

/** Gives every listener, route and rule of a seed its id: 1, 2, … in the order of the file, each kind for itself. */
export function configurationOfSeed(seed: ConfigurationSeed): Configuration {
  let routeId = 0;
  return {
    listeners: seed.listeners.map((listener, index) => ({
      ...listener,
      id: index + 1,
      routes: listener.routes.map((route) => ({ ...route, id: ++routeId })),
    })),
    firewallRules: seed.firewallRules.map((rule, index) => ({ ...rule, id: index + 1 })),
  };
}

/**
 * Whether a TOML file's listeners, routes and firewall rules say something else than the database, which rules.
 * Ids and the order of listeners, routes, rules and trusted proxies don't count.
 */
export function seedDiffers(seed: ConfigurationSeed, configuration: Configuration): boolean {
  return fingerprint(seed) !== fingerprint(configuration);
}

function fingerprint({ listeners, firewallRules }: ConfigurationSeed): string {
  const plainListeners = listeners.map((listener) => ({
    ...listener,
    routes: sorted(listener.routes),
    trustedProxies: sorted(listener.trustedProxies),
  }));
  return JSON.stringify([sorted(plainListeners), sorted(firewallRules)]);
}

/** The values as texts in one order, without ids. */
function sorted(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value, withoutId)).sort();
}

/** `JSON.stringify` replacer: leaves `id` and absent values out and puts the names in one order. */
function withoutId(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => name !== "id").sort(([a], [b]) => a < b ? -1 : 1),
  );
}
