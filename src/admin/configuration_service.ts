/**
 * The calls that list and change listeners, routes and firewall rules.
 *
 * @module
 */

import type { ServiceImpl } from "@connectrpc/connect";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ChangeOutcome } from "../control/changes.ts";
import type { ConfigurationDraft } from "../state/configuration_draft.ts";
import type { Configuration, FirewallRule, Listener, Route } from "../state/model.ts";
import type { KeptAnswer } from "../store/kept_answers.ts";
import { listenerMessage, routeMessage, ruleMessage } from "./answers.ts";
import type { ControlPlane } from "./control_plane.ts";
import { type Concerned, endExisting, readExisting } from "./existing.ts";
import { Existing, ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import { look, mutation } from "./mutations.ts";
import {
  findListener,
  invalid,
  readListenAddress,
  readListener,
  readOptionalListener,
  readRoute,
  readRouteUpdate,
  readRule,
  routeReference,
} from "./requests.ts";

type Methods = Pick<
  ServiceImpl<typeof ProxyAdminService>,
  | "listListeners"
  | "addListener"
  | "removeListener"
  | "listRoutes"
  | "addRoute"
  | "updateRoute"
  | "removeRoute"
  | "getFirewallRules"
  | "addFirewallRule"
  | "removeFirewallRule"
>;

/** A change that one call asks for. */
interface Asked<Value> {
  readonly author: string;
  readonly signal: AbortSignal;
  readonly expectedRevision: number | undefined;
  readonly edit: (draft: ConfigurationDraft, current: Configuration) => Value;
  /** The answer that is kept with the change. */
  readonly answer: ((outcome: ChangeOutcome<Value>) => KeptAnswer) | undefined;
}

/** The implementation. */
export function configurationService(plane: ControlPlane): Methods {
  return { ...listenerMethods(plane), ...routeMethods(plane), ...ruleMethods(plane) };
}

function make<Value>(plane: ControlPlane, asked: Asked<Value>): Promise<ChangeOutcome<Value>> {
  return plane.changes.make({ ...asked, kind: "rpc" });
}

type ListenerMethods = Pick<Methods, "listListeners" | "addListener" | "removeListener">;

function listenerMethods(plane: ControlPlane): ListenerMethods {
  const { listListeners, addListener, removeListener } = ProxyAdminService.method;
  return {
    listListeners: look(plane, listListeners, () => {
      const { configuration, revision } = plane.served();
      return {
        listeners: configuration.listeners.map((each) => listenerMessage(each, plane.tallies)),
        revision,
      };
    }),
    addListener: mutation(
      plane,
      addListener,
      async ({ listener, expectedRevision }, { author, signal, keep }) => {
        if (listener === undefined) throw invalid("listener", "a listener");
        const seed = readListener(listener);
        const answerOf = ({ value, revision }: ChangeOutcome<Listener>) => ({
          listener: listenerMessage(value),
          revision,
        });
        const outcome = await make(plane, {
          author,
          signal,
          expectedRevision,
          edit: (draft) => draft.addListener(seed),
          answer: keep && ((made) => keep(answerOf(made))),
        });
        return answerOf(outcome);
      },
    ),
    removeListener: mutation(plane, removeListener, async (request, { author, signal, keep }) => {
      const { id, addr, expectedRevision } = request;
      const existing = readExisting(request.existing, Existing.DRAIN);
      const reference = id === 0 ? readListenAddress(addr, "addr") : id;
      const { revision, value } = await make(plane, {
        author,
        signal,
        expectedRevision,
        edit: (draft) => draft.removeListener(reference),
        answer: keep &&
          ((made) =>
            keep({ revision: made.revision, connectionsTouched: plane.tallies.listener(made.value.id) })),
      });
      const ended = { filter: { listenerIds: [value.id] }, reason: "listener_removed" } as const;
      return { revision, connectionsTouched: await endExisting(plane, existing, [ended]) };
    }),
  };
}

type RouteMethods = Pick<Methods, "listRoutes" | "addRoute" | "updateRoute" | "removeRoute">;

function routeMethods(plane: ControlPlane): RouteMethods {
  const { listRoutes, addRoute, updateRoute, removeRoute } = ProxyAdminService.method;
  const answerOf = ({ value, revision }: ChangeOutcome<{ listenerId: number; route: Route }>) => ({
    route: routeMessage(
      value.route,
      listenerOf(plane, value.listenerId),
      plane.tallies.route(value.route.id),
    ),
    revision,
  });
  return {
    listRoutes: look(plane, listRoutes, ({ listener }) => {
      const { configuration, revision } = plane.served();
      const listeners = listener === ""
        ? configuration.listeners
        : [findListener(configuration.listeners, listener, "listener")];
      const routes = listeners.flatMap((each) =>
        each.routes.map((route) => routeMessage(route, each, plane.tallies.route(route.id)))
      );
      return { routes, revision };
    }),
    addRoute: mutation(plane, addRoute, async ({ route, expectedRevision }, { author, signal, keep }) => {
      if (route === undefined) throw invalid("route", "a route");
      const listener = readOptionalListener(route.listener, "route.listener");
      const seed = readRoute(route);
      const outcome = await make(plane, {
        author,
        signal,
        expectedRevision,
        edit: (draft) => draft.addRoute(listener, seed),
        answer: keep && ((made) => keep(answerOf(made))),
      });
      return answerOf(outcome);
    }),
    updateRoute: mutation(plane, updateRoute, async (request, { author, signal, keep }) => {
      const { route, updateMask, expectedRevision } = request;
      if (route === undefined) throw invalid("route", "a route");
      const reference = routeReference(route, "route.");
      const outcome = await make(plane, {
        author,
        signal,
        expectedRevision,
        edit: (draft) =>
          draft.updateRoute(reference, (before) => readRouteUpdate(before, route, updateMask?.paths ?? [])),
        answer: keep && ((made) => keep(answerOf(made))),
      });
      return answerOf(outcome);
    }),
    removeRoute: mutation(plane, removeRoute, async (request, { author, signal, keep }) => {
      const { expectedRevision } = request;
      const existing = readExisting(request.existing, Existing.DRAIN);
      const reference = routeReference(request, "");
      const { revision, value } = await make(plane, {
        author,
        signal,
        expectedRevision,
        edit: (draft) => draft.removeRoute(reference),
        answer: keep && ((made) =>
          keep({
            revision: made.revision,
            connectionsTouched: plane.tallies.route(made.value.route.id),
          })),
      });
      const ended = { filter: { routeIds: [value.route.id] }, reason: "route_removed" } as const;
      return { revision, connectionsTouched: await endExisting(plane, existing, [ended]) };
    }),
  };
}

function listenerOf(plane: ControlPlane, id: number): Listener | undefined {
  return plane.served().configuration.listeners.find((listener) => listener.id === id);
}

type RuleMethods = Pick<Methods, "getFirewallRules" | "addFirewallRule" | "removeFirewallRule">;

function ruleMethods(plane: ControlPlane): RuleMethods {
  const { getFirewallRules, addFirewallRule, removeFirewallRule } = ProxyAdminService.method;
  return {
    getFirewallRules: look(plane, getFirewallRules, ({ limit, after }) => {
      const { configuration, revision } = plane.served();
      const { firewallRules } = configuration;
      const start = after === 0 ? 0 : firewallRules.findIndex(({ id }) => id > after);
      const page = start < 0 ? [] : firewallRules.slice(start, limit === 0 ? undefined : start + limit);
      return { rules: page.map((rule) => ruleMessage(rule)), revision };
    }),
    addFirewallRule: mutation(plane, addFirewallRule, async (request, { author, signal, keep }) => {
      const { rule, ttl, expectedRevision } = request;
      const existing = readExisting(request.existing, Existing.KEEP);
      if (rule === undefined) throw invalid("rule", "a rule");
      const seed = readRule(rule);
      if (ttl !== undefined && seed.expiresAtMs !== undefined) {
        throw invalid("ttl", "no ttl together with rule.expire_time");
      }
      if (ttl !== undefined && durationMs(ttl) <= 0) throw invalid("ttl", "more than 0 s");
      const expiring = ttl === undefined
        ? seed
        : { ...seed, expiresAtMs: Math.ceil(Date.now() + durationMs(ttl)) };
      if (expiring.expiresAtMs !== undefined && expiring.expiresAtMs <= Date.now()) {
        throw invalid("rule.expire_time", "a time to come");
      }
      const { revision, value } = await make(plane, {
        author,
        signal,
        expectedRevision,
        edit: (draft) => draft.addRule(expiring),
        answer: keep && ((made) => keep({ rule: ruleMessage(made.value), revision: made.revision })),
      });
      const connectionsTouched = await endExisting(plane, existing, [blockedNow(value)]);
      return { rule: ruleMessage(value), revision, connectionsTouched };
    }),
    removeFirewallRule: mutation(plane, removeFirewallRule, async (request, { author, signal, keep }) => {
      const { id, expectedRevision } = request;
      const existing = readExisting(request.existing, Existing.KEEP);
      if (id === 0) throw invalid("id", "the id of a firewall rule");
      const { revision, value } = await make(plane, {
        author,
        signal,
        expectedRevision,
        edit: (draft) => draft.removeRule(id),
        answer: keep && ((made) => keep({ revision: made.revision })),
      });
      return {
        revision,
        connectionsTouched: await endExisting(plane, existing, [blockedNow(value)]),
      };
    }),
  };
}

/** Those whom a rule that came or went concerns: it matches them, and as the rules are now they would be blocked. */
function blockedNow({ type, value }: FirewallRule): Concerned {
  const filter = type === "country" ? { country: value } : { client: value };
  return { filter: { ...filter, isBlocked: true }, reason: `blocked_${type}` };
}
