/**
 * One change of configuration, as it is stored in a revision and sent to workers: plain JSON values.
 *
 * @module
 */

import type { FirewallRule, Listener, Route } from "./model.ts";

/** A listener without its routes, which have changes of their own. */
export type ListenerSettings = Omit<Listener, "routes">;

/**
 * One change. `…_put` adds, or replaces what has the same id: `previous` is present exactly when it replaces.
 * `…_removed` carries what is removed, so that a diff can be read, undone and applied without a look-up.
 * A listener is removed after its routes.
 */
export type Change =
  | {
    readonly kind: "listener_put";
    readonly listener: ListenerSettings;
    readonly previous?: ListenerSettings;
  }
  | { readonly kind: "listener_removed"; readonly listener: ListenerSettings }
  | {
    readonly kind: "route_put";
    readonly listenerId: number;
    readonly route: Route;
    readonly previous?: Route;
  }
  | { readonly kind: "route_removed"; readonly listenerId: number; readonly route: Route }
  | { readonly kind: "rule_put"; readonly rule: FirewallRule; readonly previous?: FirewallRule }
  | { readonly kind: "rule_removed"; readonly rule: FirewallRule };
