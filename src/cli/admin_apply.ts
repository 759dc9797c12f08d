/**
 * From a TOML file's listeners and rules to the operations that bring a server there.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { listenerMessage, routeMessage, ruleMessage } from "../admin/answers.ts";
import type { AdminClient } from "../admin/client.ts";
import { type Operation, OperationSchema } from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import { readListener, readRule } from "../admin/requests.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { ConfigurationSeed, FirewallRule, ListenerSeed, Route, Seed } from "../state/model.ts";
import { allRules } from "./all_rules.ts";

/** Operations, and the revision that they start from. */
export interface ApplyPlan {
  /** What is to be done, in its order. */
  readonly operations: Operation[];
  /** The plan is good for this revision alone. */
  readonly expectedRevision: number;
}

/**
 * Compares a file with a server.
 *
 * @param prune whether what the file doesn't have is removed @param nowMs Unix ms: rules that have expired by then are
 * as good as not there
 */
export async function applyOperations(
  api: AdminClient["api"],
  seed: ConfigurationSeed,
  prune: boolean,
  nowMs: number,
): Promise<ApplyPlan> {
  const { listeners, revision } = await api.listListeners({});
  const { rules } = await allRules(api);
  const there = new Map(listeners.map((message) => [message.addr, readListener(message)]));
  const removals: Operation[] = [];
  const additions: Operation[] = [];
  const wanted = new Set<string>();
  for (const listener of seed.listeners) {
    const addr = formatEndpoint(listener.address);
    wanted.add(addr);
    const before = there.get(addr);
    if (before === undefined) additions.push(operation("addListener", listenerOf(listener)));
    else compareListeners(before, listener, prune, removals, additions);
  }
  if (prune) {
    for (const addr of there.keys()) {
      if (!wanted.has(addr)) removals.push(operation("removeListener", addr));
    }
  }

  const keys = new Set(rules.map((message) => ruleKey(readRule(message))));
  const wantedRules = seed.firewallRules.filter(({ expiresAtMs }) => (expiresAtMs ?? Infinity) > nowMs);
  const wantedKeys = new Set(wantedRules.map(ruleKey));
  for (const rule of wantedRules) {
    if (!keys.has(ruleKey(rule))) {
      additions.push(operation("addFirewallRule", ruleMessage({ ...rule, id: 0 })));
    }
  }
  for (const message of prune ? rules : []) {
    if (!wantedKeys.has(ruleKey(readRule(message)))) {
      removals.push(operation("removeFirewallRule", message.id));
    }
  }
  return { operations: [...removals, ...additions], expectedRevision: revision };
}

function compareListeners(
  before: ListenerSeed,
  after: ListenerSeed,
  prune: boolean,
  removals: Operation[],
  additions: Operation[],
): void {
  const [{ routes: old, ...settings }, { routes, ...wanted }] = [before, after];
  if (!isSame(settings, wanted)) {
    additions.push(operation("updateListener", listenerOf({ ...after, routes: [] })));
  }
  const byHostname = new Map(old.map((route) => [route.hostname, route]));
  for (const route of routes) {
    const standing = byHostname.get(route.hostname);
    byHostname.delete(route.hostname);
    if (standing === undefined) additions.push(operation("addRoute", routeOf(route, after)));
    else if (!isSame(standing, route)) additions.push(operation("updateRoute", routeOf(route, after)));
  }
  if (!prune) return;
  for (const route of byHostname.values()) removals.push(operation("removeRoute", routeOf(route, after)));
}

function operation<Case extends NonNullable<Operation["operation"]["case"]>>(
  name: Case,
  value: Extract<Operation["operation"], { case: Case }>["value"],
): Operation {
  return create(OperationSchema, { operation: { case: name, value } as Operation["operation"] });
}

function listenerOf(listener: ListenerSeed) {
  return listenerMessage({
    ...listener,
    id: 0,
    routes: listener.routes.map((route) => ({ ...route, id: 0 })),
  });
}

function routeOf(route: Seed<Route>, listener: ListenerSeed) {
  return routeMessage({ ...route, id: 0 }, listener);
}

function ruleKey({ type, value, action, mode, expiresAtMs, comment }: Seed<FirewallRule>): string {
  return JSON.stringify([type, value, action, mode, expiresAtMs ?? 0, comment]);
}

function isSame(left: unknown, right: unknown): boolean {
  return sorted(left) === sorted(right);
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1));
  });
}
