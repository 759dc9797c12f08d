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
import { admit, type AdmitVerdict, route as decideRoute, type RouteVerdict } from "../policy/decide.ts";
import { type DecisionRule, judgeClient } from "../policy/firewall.ts";
import { type IpAddress, isPrivate, parseIpAddress } from "../policy/ip_address.ts";
import { buildFirewallTables } from "../state/firewall_draft.ts";
import { quote } from "../state/issue.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Listener, Route } from "../state/model.ts";
import type { RuntimeState } from "../state/runtime_state.ts";
import { durationOf, routeMessage, ruleMessage } from "./answers.ts";
import { ROUTE_MATCHES, STANDINGS } from "./codec.ts";
import { clientOf } from "./connection_feed.ts";
import type { ControlPlane } from "./control_plane.ts";
import { readHello, type SaidHello } from "./explained_hello.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import {
  type ConsideredRoute,
  ConsideredRouteSchema,
  type ConsideredRule,
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
import { invalid, readListenAddress, readRule } from "./requests.ts";
import { certificateMessage } from "./status.ts";
import { inSlices, StateCache } from "./state_cache.ts";

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
      const firstId = Math.max(0, ...firewallRules.map(({ id }) => id)) + 1;
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
  readonly #rules: ConsideredRule[] = [];
  readonly #routes: ConsideredRoute[] = [];
  readonly #warnings: string[] = [];

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
    const admission = this.#admit();
    const { fault } = this.#said;
    const verdict = admission.kind === "deny" || fault !== undefined ? undefined : this.#route();
    const decided = verdict?.route;
    const target = verdict === undefined || verdict.kind === "refuse"
      ? undefined
      : verdict.kind === "acme"
      ? verdict.route.l7?.acmeBackend
      : verdict.route.backend;
    const certificate = decided && certificateMessage(this.#plane, this.#listener, decided, this.#nowMs);
    this.#warn(admission, decided, certificate?.problem);
    const { rule, country } = admission;
    return {
      verdict: verdictNumber(admission, verdict),
      reason: admission.kind === "deny"
        ? admission.reason
        : fault ?? (verdict?.kind === "refuse" ? verdict.reason : ""),
      ...(rule !== undefined && { rule: this.#ruleMessage(rule) }),
      country: country ?? "",
      rules: this.#rules,
      ...(decided !== undefined && { route: this.#routeMessage(decided) }),
      match: verdict === undefined || verdict.kind === "refuse"
        ? RouteMatch.UNSPECIFIED
        : ROUTE_MATCHES[verdict.why],
      routes: this.#routes,
      backend: target === undefined ? "" : formatEndpoint(target),
      timeouts: this.#timeouts(decided),
      ...(certificate !== undefined && { certificate }),
      warnings: this.#warnings,
      serverName: this.#said.serverName ?? "",
      revision: this.#state.revision,
    };
  }

  #admit(): AdmitVerdict {
    const { tallies, country } = this.#plane;
    const { maxConnections } = this.#state.limits;
    const listener = this.#listener;
    return admit(
      {
        client: this.#client,
        nowMs: this.#nowMs,
        country,
        takeRateToken: () => true,
        overLimit: () =>
          tallies.all >= maxConnections ||
          (listener.maxConnections > 0 && tallies.listener(listener.id) >= listener.maxConnections),
      },
      this.#state,
      (rule, standing) => {
        const considered = { rule: this.#ruleMessage(rule), standing: STANDINGS[standing] };
        this.#rules.push(create(ConsideredRuleSchema, considered));
      },
    );
  }

  #route(): RouteVerdict<Route> {
    const facts = {
      listenerId: this.#listener.id,
      serverName: this.#said.serverName,
      alpn: this.#said.alpn,
      overLimit: (route: Route) =>
        route.maxConnections > 0 && this.#plane.tallies.route(route.id) >= route.maxConnections,
    };
    return decideRoute<Route>(facts, this.#state, ({ id }, match, standing) => {
      const considered = this.#state.routesById.get(id);
      if (considered === undefined) return;
      this.#routes.push(create(ConsideredRouteSchema, {
        route: this.#routeMessage(considered),
        match: ROUTE_MATCHES[match],
        standing: STANDINGS[standing],
      }));
    });
  }

  #warn(admission: AdmitVerdict, decided: Route | undefined, problem: string | undefined): void {
    const { limits, rateLimited, firewall } = this.#state;
    if (rateLimited && admission.rule?.action !== "allow") {
      this.#warnings.push(`at most ${limits.rateLimit} new connections a second and address are let in`);
    }
    if (limits.maxConnectionsPerIp > 0) {
      this.#warnings.push(
        `at most ${limits.maxConnectionsPerIp} connections of one address are open at once`,
      );
    }
    if (firewall.countries.size > 0 && this.#plane.geoipBuiltMs() === undefined) {
      this.#warnings.push("country rules match nobody: no GeoIP database is configured");
    }
    if (this.#listener.proxyProtocol) {
      this.#warnings.push(
        "the listener wants a PROXY header from a trusted proxy, which declares the client's address",
      );
    }
    if (isPrivate(this.#client) && firewall.blockUnknownCountry) {
      this.#warnings.push("a private address has no country and is not blocked for it");
    }
    if (problem !== undefined && problem !== "") this.#warnings.push(`the route's certificate: ${problem}`);
    if (decided?.hostname === "*") this.#warnings.push("only the route for every other name matches");
    for (const { id, enabled, hostname } of this.#listener.routes) {
      const isLost = !enabled && id !== decided?.id && hostname === this.#said.serverName;
      if (isLost) this.#warnings.push(`route ${hostname} is disabled`);
    }
  }

  #timeouts(decided: Route | undefined): EffectiveTimeouts {
    const { limits } = this.#state;
    return create(EffectiveTimeoutsSchema, {
      clientHello: durationOf(limits.clientHelloTimeoutMs),
      connect: durationOf(limits.connectTimeoutMs),
      dial: durationOf(limits.dialTimeoutMs),
      idle: durationOf(
        decided?.mode === "l7" ? limits.httpIdleTimeoutMs : decided?.idleTimeoutMs ?? limits.idleTimeoutMs,
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

function verdictNumber(admission: AdmitVerdict, verdict: RouteVerdict<Route> | undefined): Verdict {
  if (admission.kind === "deny") return Verdict.DENY;
  if (verdict === undefined) return Verdict.REFUSE;
  return { route: Verdict.ROUTE, acme: Verdict.ACME, refuse: Verdict.REFUSE }[verdict.kind];
}

function listenerOf(plane: ControlPlane, text: string): Listener {
  const { listeners } = plane.served().configuration;
  if (text === "") {
    if (listeners.length === 1) return listeners[0]!;
    throw invalid("listener", `which listener is meant: there are ${listeners.length}`);
  }
  const address = formatEndpoint(readListenAddress(text, "listener"));
  const found = listeners.find((listener) => formatEndpoint(listener.address) === address);
  if (found === undefined) throw new ProxyError("not_found", `there is no listener ${address}`);
  return found;
}
