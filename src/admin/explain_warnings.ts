/**
 * What an operator should know about a decision besides its outcome. Pure.
 *
 * @module
 */

import { type IpAddress, isPrivate } from "../policy/ip_address.ts";
import { addressesOverlap, formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint, Listener } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import type { LimitMode } from "../state/settings.ts";
import type { Decision } from "./decision.ts";

/** What warnings are made from. */
export interface Explained {
  /** What was decided. */
  readonly decision: Decision;
  /** By which state. */
  readonly state: RuntimeState;
  /** Whose connection it would be. */
  readonly listener: Listener;
  /** All listeners. */
  readonly listeners: readonly Listener[];
  /** The client. */
  readonly client: IpAddress;
  /** Absent = none. */
  readonly serverName: string | undefined;
  /** Whether limits by address are enforced. */
  readonly limitMode: LimitMode;
  /** Whether countries can be looked up. */
  readonly hasCountries: boolean;
  /** What is wrong with the route's certificate; empty = nothing. */
  readonly certificateProblem: string;
}

/** The warnings, one sentence each. */
export function explainWarnings(explained: Explained): string[] {
  return [...clientWarnings(explained), ...routeWarnings(explained)];
}

function* clientWarnings(explained: Explained): Generator<string> {
  const { decision, state, listener, client, limitMode, hasCountries } = explained;
  const { limits, rateLimited, firewall } = state;
  const counted = limitMode === "shadow" ? "; more are counted and let in" : "";
  const isExempt = decision.admission.rule?.action === "allow" && decision.admission.rule.type !== "country";
  if (rateLimited && !isExempt) {
    yield `at most ${limits.rateLimit} new connections a second and address are let in${counted}`;
  }
  if (limits.maxConnectionsPerIp > 0) {
    yield `at most ${limits.maxConnectionsPerIp} connections of one address are open at once${counted}`;
  }
  if (firewall.countries.size > 0 && !hasCountries) {
    yield "country rules match nobody: no GeoIP database is configured";
  }
  if (listener.proxyProtocol) {
    yield "the listener wants a PROXY header from a trusted proxy, which declares the client's address";
  }
  if (isPrivate(client) && firewall.blockUnknownCountry) {
    yield "a private address has no country and is not blocked for it";
  }
}

function* routeWarnings(explained: Explained): Generator<string> {
  const { decision, listener, listeners, serverName, certificateProblem } = explained;
  const matched = decision.verdict?.route;
  if (certificateProblem !== "") yield `the route's certificate: ${certificateProblem}`;
  if (matched?.hostname === "*") yield "only the route for every other name matches";
  for (const { id, enabled, hostname } of listener.routes) {
    if (!enabled && id !== matched?.id && hostname === serverName) yield `route ${hostname} is disabled`;
  }
  if (matched !== undefined && listeners.some(({ address }) => isOwn(address, matched.backend))) {
    yield `the backend ${
      formatEndpoint(matched.backend)
    } is a listener of this proxy: the connection ends as loop`;
  }
}

/** Whether a backend is a listener's address, or one of loopback where it listens on all. */
function isOwn(listener: Endpoint, backend: Endpoint): boolean {
  const isLoopback = backend.host === "::1" || backend.host.startsWith("127.");
  return (listener.host === backend.host || isLoopback) && addressesOverlap(listener, backend);
}
