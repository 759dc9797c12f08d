/**
 * The model as answers carry it. Pure.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { DecisionRule } from "../policy/firewall.ts";
import type { Change, ListenerSettings } from "../state/change.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { FirewallRule, L7Options, Listener, Route } from "../state/model.ts";
import { BACKEND_PROTOCOLS, numberOf, ROUTE_MODES, RULE_ACTIONS, RULE_MODES, RULE_TYPES } from "./codec.ts";
import {
  ChangeKind,
  type ConfigurationChange,
  ConfigurationChangeSchema,
  type ConfigurationItem,
  ConfigurationItemSchema,
  type FirewallRule as RuleMessage,
  FirewallRuleSchema,
  type L7Options as L7Message,
  L7OptionsSchema,
  type Listener as ListenerMessage,
  ListenerSchema,
  type Route as RouteMessage,
  RouteSchema,
} from "./gen/mc_proxy/v1/configuration_pb.ts";

/** A time. @param ms Unix ms */
export function timeOf(ms: number): Timestamp {
  return timestampFromMs(Math.floor(ms));
}

/**
 * A length of time, to the microsecond. Not the library's `durationFromMs`, which makes of 32.91 ms nanoseconds that
 * aren't whole, and then can't write them.
 *
 * @param ms 0 or more
 */
export function durationOf(ms: number): Duration {
  const microseconds = Math.round(ms * 1_000);
  const seconds = Math.floor(microseconds / 1_000_000);
  return create(DurationSchema, {
    seconds: BigInt(seconds),
    nanos: (microseconds - seconds * 1_000_000) * 1_000,
  });
}

/** A listener with its routes. @param open connections of a listener, and of a route, by id */
export function listenerMessage(
  listener: Listener,
  open: { listener(id: number): number; route(id: number): number } = NOTHING_OPEN,
): ListenerMessage {
  return create(ListenerSchema, {
    ...settingsMessage(listener),
    routes: listener.routes.map((route) => routeMessage(route, listener, open.route(route.id))),
    openConnections: open.listener(listener.id),
  });
}

const NOTHING_OPEN = { listener: () => 0, route: () => 0 };

function settingsMessage(settings: ListenerSettings): ListenerMessage {
  const { id, address, maxConnections, proxyProtocol, trustedProxies } = settings;
  return create(ListenerSchema, {
    id,
    addr: formatEndpoint(address),
    maxConnections,
    proxyProtocol,
    trustedProxies: [...trustedProxies],
  });
}

/** A route. @param listener absent = not known any more */
export function routeMessage(
  route: Route,
  listener: Pick<Listener, "address"> | undefined,
  openConnections = 0,
): RouteMessage {
  const { id, hostname, enabled, sendProxyProtocol, maxConnections, idleTimeoutMs, l7 } = route;
  return create(RouteSchema, {
    id,
    listener: listener === undefined ? "" : formatEndpoint(listener.address),
    hostname,
    backend: formatEndpoint(route.backend),
    enabled,
    mode: numberOf(ROUTE_MODES, route.mode),
    sendProxyProtocol,
    maxConnections,
    openConnections,
    ...(idleTimeoutMs !== undefined && { idleTimeout: durationOf(idleTimeoutMs) }),
    ...(l7 !== undefined && { l7: l7Message(l7) }),
  });
}

function l7Message(l7: L7Options): L7Message {
  const { acmeBackend, maxBodyBytes, backendProtocol, ...same } = l7;
  return create(L7OptionsSchema, {
    ...same,
    backendProtocol: numberOf(BACKEND_PROTOCOLS, backendProtocol),
    acmeBackend: acmeBackend === undefined ? "" : formatEndpoint(acmeBackend),
    ...(maxBodyBytes !== undefined && { maxBodyBytes: BigInt(maxBodyBytes) }),
  });
}

/** A firewall rule. */
export function ruleMessage(
  rule: FirewallRule | (DecisionRule & { readonly comment?: string }),
): RuleMessage {
  const { id, type, value, action, mode, expiresAtMs, comment } = rule;
  return create(FirewallRuleSchema, {
    id,
    type: numberOf(RULE_TYPES, type),
    value,
    action: numberOf(RULE_ACTIONS, action),
    mode: numberOf(RULE_MODES, mode),
    ...(expiresAtMs !== undefined && { expireTime: timeOf(expiresAtMs) }),
    comment: comment ?? "",
  });
}

/** The address of a listener by its id, as far as one knows it. */
export type AddressOf = (listenerId: number) => Pick<Listener, "address"> | undefined;

/** One difference. */
export function changeMessage(change: Change, addressOf: AddressOf): ConfigurationChange {
  const [before, after] = itemsOf(change, addressOf);
  const kind = before === undefined
    ? ChangeKind.ADDED
    : after === undefined
    ? ChangeKind.REMOVED
    : ChangeKind.CHANGED;
  const sign = { [ChangeKind.ADDED]: "+", [ChangeKind.REMOVED]: "-", [ChangeKind.CHANGED]: "~" }[kind];
  const shown = [before, after].filter((item) => item !== undefined).map(describe);
  const summary = `${sign} ${[...new Set(shown)].join(" => ")}`;
  return create(ConfigurationChangeSchema, {
    kind,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    summary,
  });
}

function itemsOf(
  change: Change,
  addressOf: AddressOf,
): [before: ConfigurationItem | undefined, after: ConfigurationItem | undefined] {
  const listener = (settings: ListenerSettings | undefined) =>
    settings && itemOf("listener", settingsMessage(settings));
  const rule = (value: FirewallRule | undefined) => value && itemOf("firewallRule", ruleMessage(value));
  switch (change.kind) {
    case "listener_put":
      return [listener(change.previous), listener(change.listener)];
    case "listener_removed":
      return [listener(change.listener), undefined];
    case "rule_put":
      return [rule(change.previous), rule(change.rule)];
    case "rule_removed":
      return [rule(change.rule), undefined];
    case "route_put":
    case "route_removed": {
      const owner = addressOf(change.listenerId);
      const route = (value: Route | undefined) => value && itemOf("route", routeMessage(value, owner));
      if (change.kind === "route_removed") return [route(change.route), undefined];
      return [route(change.previous), route(change.route)];
    }
  }
}

function itemOf(
  ...[name, value]:
    | ["listener", ListenerMessage]
    | ["route", RouteMessage]
    | ["firewallRule", RuleMessage]
): ConfigurationItem {
  return create(ConfigurationItemSchema, { item: { case: name, value } as ConfigurationItem["item"] });
}

function describe({ item }: ConfigurationItem): string {
  switch (item.case) {
    case "listener":
      return `listener ${item.value.addr}`;
    case "route": {
      const { listener, hostname, backend, enabled } = item.value;
      return `route ${listener} ${hostname} -> ${backend}${enabled === false ? " (disabled)" : ""}`;
    }
    case "firewallRule": {
      const { type, value, action, mode } = item.value;
      const shadow = RULE_MODES[mode] === "shadow" ? " (shadow)" : "";
      return `firewall ${RULE_ACTIONS[action]} ${RULE_TYPES[type]} ${value}${shadow}`;
    }
    default:
      return "nothing";
  }
}
