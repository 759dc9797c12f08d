/**
 * One listener's routes by hostname.
 *
 * @module
 */

import { DEFAULT_HOSTNAME, wildcardOf } from "./hostname.ts";

/** The part of a route that a decision needs. */
export interface DecisionRoute {
  /** Tells it apart in events and metrics. */
  readonly id: number;
  /** Canonical, as `canonicalHostname` spells it. */
  readonly hostname: string;
  /** A disabled route is as if absent. */
  readonly enabled: boolean;
  /** Forwarded as it is, or terminated. */
  readonly mode: "l4" | "l7";
  /** Present for `l7`; without `acmeBackend`, a hello that offers only `acme-tls/1` is refused. */
  readonly l7?: { readonly acmeBackend?: { readonly host: string; readonly port: number } };
}

/** Why a route was chosen: its hostname is the name, is the wildcard over the name, or is `*`. */
export type RouteMatch = "exact" | "wildcard" | "default";

/**
 * What became of one route while a name was looked up: it serves, it is disabled, or a nearer match serves
 * instead.
 */
export type RouteStanding = "chosen" | "disabled" | "overridden";

/** Told of every route whose hostname matches, nearest first. */
export type RouteObserver = (route: DecisionRoute, match: RouteMatch, standing: RouteStanding) => void;

/** A listener's routes. Immutable; a lookup costs at most three hash lookups, whatever the number of routes. */
export class RouteTable<Route extends DecisionRoute> {
  /** Routes by canonical hostname, disabled ones included. */
  readonly byHostname: ReadonlyMap<string, Route>;

  /** Keeps `byHostname`, which must not change afterwards. */
  constructor(byHostname: ReadonlyMap<string, Route>) {
    this.byHostname = byHostname;
  }

  /**
   * The route that serves a name: exact, else the wildcard over it (`*.example.org` matches exactly one label,
   * so no two wildcards match one name), else the default route. Disabled routes are as if absent.
   *
   * @param name canonical server name; absent = the hello had none, which only the default route serves
   * @param observe told of every matching route, for Explain; doesn't change the result
   */
  find(name: string | undefined, observe?: RouteObserver): FoundRoute<Route> | undefined {
    let found: FoundRoute<Route> | undefined;
    for (let step = name === undefined ? 2 : 0; step < 3; step++) {
      const match = MATCHES[step] as RouteMatch;
      const hostname = hostnameFor(match, name);
      const route = hostname === undefined ? undefined : this.byHostname.get(hostname);
      if (route === undefined) continue;
      observe?.(route, match, found !== undefined ? "overridden" : route.enabled ? "chosen" : "disabled");
      if (found !== undefined || !route.enabled) continue;
      found = { route, why: match };
      if (observe === undefined) break;
    }
    return found;
  }
}

/** A route and why it serves. */
export interface FoundRoute<Route extends DecisionRoute> {
  /** The route that serves. */
  readonly route: Route;
  /** What its hostname is to the name. */
  readonly why: RouteMatch;
}

const MATCHES: readonly RouteMatch[] = ["exact", "wildcard", "default"];

function hostnameFor(match: RouteMatch, name: string | undefined): string | undefined {
  if (match === "default") return DEFAULT_HOSTNAME;
  if (name === undefined) return undefined;
  return match === "exact" ? name : wildcardOf(name);
}
