/**
 * The calls that ask what would happen: to one connection, and to the last ones under other rules. Both ask the
 * functions that decide live connections.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ProxyError } from "../errors.ts";
import { inSlices } from "../net/in_slices.ts";
import { type DecisionRule, judgeClient } from "../policy/firewall.ts";
import { type IpAddress, parseIpAddress } from "../policy/ip_address.ts";
import { buildFirewallTables } from "../state/firewall_draft.ts";
import { quote } from "../state/issue.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint, Listener, Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import { durationOf, routeMessage, ruleMessage } from "./answers.ts";
import { ROUTE_MATCHES, STANDINGS } from "./codec.ts";
import { clientOf } from "./connection_feed.ts";
import type { ControlPlane } from "./control_plane.ts";
import { type ConnectionFacts, decide, type Decision } from "./decision.ts";
import { explainWarnings } from "./explain_warnings.ts";
import { readHello, type SaidHello } from "./explained_hello.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import {
  ConsideredRouteSchema,
  ConsideredRuleSchema,
  type EffectiveTimeouts,
  EffectiveTimeoutsSchema,
  type ExplainRequest,
  RouteMatch,
  type TriedConnection,
  TriedConnectionSchema,
  Verdict,
} from "./gen/mc_proxy/v1/explain_pb.ts";
import { look } from "./mutations.ts";
import { findListener, invalid, readRule } from "./requests.ts";
import { certificateMessage } from "./status.ts";
import { StateCache } from "./state_cache.ts";

type Methods = Pick<ServiceImpl<typeof ProxyAdminService>, "explain" | "tryRules">;

const EXAMPLES_DEFAULT = 10;
const EXAMPLES_MAX = 100;
const CANDIDATES_MAX = 100_000;

/** The implementation. */
export function explainService(plane: ControlPlane): Methods {
  const states = new StateCache(plane);
  const { explain, tryRules } = ProxyAdminService.method;
  return {
    explain: look(
      plane,
      explain,
      async (request) => new Explanation(plane, await states.current(), request).answer(),
    ),
    tryRules: look(plane, tryRules, async ({ rules, inAddition, examplesMax }) => {
      if (rules.length > CANDIDATES_MAX) throw invalid("rules", `at most ${CANDIDATES_MAX}`);
      if (examplesMax > EXAMPLES_MAX) throw invalid("examples_max", `at most ${EXAMPLES_MAX}`);
      const state = await states.current();
      const { firewallRules } = plane.served().configuration;
      // Not by Math.max(...ids): 130,000 arguments are more than the stack takes.
      const firstId = firewallRules.reduce((most, { id }) => Math.max(most, id), 0) + 1;
      const candidates = rules.map((rule, index) => ({
        ...readRule(rule, `rules[${index}]`),
        id: firstId + index,
      }));
      const standing: DecisionRule[] = [...inAddition ? firewallRules : [], ...candidates];
      const firewall = await inSlices(buildFirewallTables(standing, state.firewall.blockUnknownCountry));
      return tryThem(plane, state, { ...state, firewall }, examplesMax || EXAMPLES_DEFAULT);
    }),
  };
}

function tryThem(plane: ControlPlane, before: RuntimeState, after: RuntimeState, examplesMax: number) {
  const nowMs = Date.now();
  const counts = { tried: 0, changed: 0, newlyBlocked: 0, newlyAdmitted: 0 };
  const examples: TriedConnection[] = [];
  for (const event of plane.feed.remembered) {
    const client = clientOf(event);
    if (client === undefined) continue;
    counts.tried++;
    const facts = { client, nowMs, country: plane.country };
    const [old, next] = [judgeClient(facts, before.firewall), judgeClient(facts, after.firewall)];
    if ((old.kind === "block") === (next.kind === "block")) continue;
    counts.changed++;
    if (next.kind === "block") counts.newlyBlocked++;
    else counts.newlyAdmitted++;
    if (examples.length >= examplesMax) continue;
    examples.push(create(TriedConnectionSchema, {
      client: event.client,
      listener: event.listener,
      serverName: event.sni ?? "",
      time: timestampFromMs(Math.floor(event.time)),
      before: reasonOf(old),
      after: reasonOf(next),
      rule: next.rule === undefined ? "" : `${next.rule.type}:${next.rule.value}`,
    }));
  }
  return { ...counts, examples };
}

function reasonOf({ kind, rule }: ReturnType<typeof judgeClient>): string {
  if (kind !== "block") return "";
  return rule === undefined ? "blocked_country" : `blocked_${rule.type}`;
}

/** One question. The limits that depend on the moment are looked at, and nothing of them is taken. */
class Explanation {
  readonly #plane: ControlPlane;
  readonly #state: RuntimeState;
  readonly #listener: Listener;
  readonly #client: IpAddress;
  readonly #nowMs: number;
  readonly #said: SaidHello;

  constructor(plane: ControlPlane, state: RuntimeState, request: ExplainRequest) {
    this.#plane = plane;
    this.#state = state;
    this.#listener = listenerOf(plane, request.listener);
    const client = parseIpAddress(request.client);
    if (client === undefined) throw invalid("client", "an IP address", quote(request.client));
    this.#client = client;
    this.#nowMs = request.time === undefined ? Date.now() : timestampMs(request.time);
    this.#said = readHello(request);
  }

  answer() {
    const decision = decide(this.#facts(), this.#state);
    const { admission, verdict, reason, rules, routes } = decision;
    const { rule, country } = admission;
    const matched = verdict?.route;
    const certificate = matched && certificateMessage(this.#plane, this.#listener, matched, this.#nowMs);
    return {
      verdict: admission.kind === "deny"
        ? Verdict.DENY
        : reason !== undefined
        ? Verdict.REFUSE
        : verdict?.kind === "acme"
        ? Verdict.ACME
        : Verdict.ROUTE,
      reason: reason ?? "",
      ...(rule !== undefined && { rule: this.#ruleMessage(rule) }),
      country: country ?? "",
      rules: rules.map((each) =>
        create(ConsideredRuleSchema, {
          rule: this.#ruleMessage(each.rule),
          standing: STANDINGS[each.standing],
        })
      ),
      ...(matched !== undefined && { route: this.#routeMessage(matched) }),
      match: verdict === undefined || verdict.kind === "refuse"
        ? RouteMatch.UNSPECIFIED
        : ROUTE_MATCHES[verdict.why],
      routes: routes.map(({ id, match, standing }) =>
        create(ConsideredRouteSchema, {
          route: this.#routeMessage(this.#state.routesById.get(id)!),
          match: ROUTE_MATCHES[match],
          standing: STANDINGS[standing],
        })
      ),
      backend: reason === undefined ? formatEndpoint(targetOf(verdict)) : "",
      timeouts: this.#timeouts(matched),
      ...(certificate !== undefined && { certificate }),
      warnings: explainWarnings({
        decision,
        state: this.#state,
        listener: this.#listener,
        listeners: this.#plane.served().configuration.listeners,
        client: this.#client,
        serverName: this.#said.serverName,
        limitMode: this.#plane.served().options.limitMode,
        hasCountries: this.#plane.geoipBuiltMs() !== undefined,
        certificateProblem: certificate?.problem ?? "",
      }),
      serverName: this.#said.serverName ?? "",
      revision: this.#state.revision,
    };
  }

  #facts(): ConnectionFacts {
    const { tallies, country, hasRateToken, served } = this.#plane;
    const { maxConnections, maxConnectionsPerIp } = this.#state.limits;
    const listener = this.#listener;
    const isEnforced = served().options.limitMode === "enforce";
    return {
      client: this.#client,
      nowMs: this.#nowMs,
      country,
      listenerId: listener.id,
      said: this.#said,
      hasRateToken: !isEnforced || hasRateToken(this.#client),
      isOverLimit: tallies.all >= maxConnections ||
        isReached(tallies.listener(listener.id), listener.maxConnections) ||
        (isEnforced && isReached(tallies.address(this.#client), maxConnectionsPerIp)),
      isRouteFull: ({ id, maxConnections }) => isReached(tallies.route(id), maxConnections),
      hasCertificate: ({ id }) => served().certificates.routes.get(id)?.pems.chain !== undefined,
    };
  }

  #timeouts(matched: Route | undefined): EffectiveTimeouts {
    const { limits } = this.#state;
    return create(EffectiveTimeoutsSchema, {
      clientHello: durationOf(limits.clientHelloTimeoutMs),
      connect: durationOf(limits.connectTimeoutMs),
      dial: durationOf(limits.dialTimeoutMs),
      idle: durationOf(
        matched?.mode === "l7" ? limits.httpIdleTimeoutMs : matched?.idleTimeoutMs ?? limits.idleTimeoutMs,
      ),
      halfClosed: durationOf(limits.halfClosedTimeoutMs),
    });
  }

  #ruleMessage(rule: DecisionRule) {
    const known = this.#plane.served().configuration.firewallRules.find(({ id }) => id === rule.id);
    return ruleMessage(known ?? rule);
  }

  #routeMessage(route: Route) {
    return routeMessage(route, this.#listener, this.#plane.tallies.route(route.id));
  }
}

/** Whether a limit leaves no room; 0 = there is none. */
function isReached(open: number, limit: number): boolean {
  return limit > 0 && open >= limit;
}

function targetOf(verdict: Decision["verdict"]): Endpoint {
  const route = verdict!.route!;
  return verdict!.kind === "acme" ? route.l7!.acmeBackend! : route.backend;
}

function listenerOf(plane: ControlPlane, text: string): Listener {
  const { listeners } = plane.served().configuration;
  if (text === "") {
    if (listeners.length === 1) return listeners[0]!;
    const text = `which listener is meant must be said: there are ${listeners.length}`;
    throw new ProxyError("invalid", text, { field: "listener" });
  }
  return findListener(listeners, text, "listener");
}
