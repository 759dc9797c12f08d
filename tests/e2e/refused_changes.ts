/**
 * Calls that change one thing, each wrong in one way.
 *
 * @module
 */

import {
  type BackendProtocol,
  type FirewallAction,
  type FirewallMode,
  FirewallRuleType,
  RouteMode,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { BAD_RANGE, IP, listener, route, type Row, STANDING } from "./admin_calls.ts";

const COUNTRY = { type: FirewallRuleType.COUNTRY, value: "DE" };
const L7 = { tlsCert: "/no/such/cert.pem", tlsKey: "/no/such/key.pem" };

/** About listeners. */
export const LISTENERS: readonly Row[] = [
  ["InvalidArgument", "listener", /wanted a listener/, (api) => api.addListener({})],
  ["InvalidArgument", "listener.addr", /got "x"/, (api) => api.addListener({ listener: { addr: "x" } })],
  [
    "InvalidArgument",
    "listener.trusted_proxies",
    /because proxy_protocol is true/,
    (api) => api.addListener({ listener: listener("127.0.0.1:2", { proxyProtocol: true }) }),
  ],
  [
    "InvalidArgument",
    "listener.trusted_proxies[0]",
    /got "10.0.0.1\/8"/,
    (api) => api.addListener({ listener: listener("127.0.0.1:2", { trustedProxies: ["10.0.0.1/8"] }) }),
  ],
  [
    "InvalidArgument",
    "listener.routes[1].hostname",
    /once per listener/,
    (api) => api.addListener({ listener: listener("127.0.0.1:2", { routes: [route(), route()] }) }),
  ],
  [
    "AlreadyExists",
    "listener.addr",
    /overlaps/,
    (api, { first }) => api.addListener({ listener: listener(first) }),
  ],
  [
    "Unavailable",
    "",
    /in use by another program/,
    (api, { taken }) => api.addListener({ listener: listener(taken) }),
  ],
  [
    "Aborted",
    "expected_revision",
    /2 is the current one/,
    (api) => api.addListener({ listener: listener("127.0.0.1:2"), expectedRevision: 1 }),
  ],
  ["InvalidArgument", "addr", /got ""/, (api) => api.removeListener({})],
  ["NotFound", "", /no listener 99/, (api) => api.removeListener({ id: 99 })],
  ["NotFound", "", /no listener 127.0.0.1:2/, (api) => api.removeListener({ addr: "127.0.0.1:2" })],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.removeListener({ id: 1, expectedRevision: 1 }),
  ],
];

/** About routes. */
export const ROUTES: readonly Row[] = [
  ["InvalidArgument", "listener", /got "x"/, (api) => api.listRoutes({ listener: "x" })],
  ["NotFound", "", /no listener 127.0.0.1:2/, (api) => api.listRoutes({ listener: "127.0.0.1:2" })],
  ["InvalidArgument", "route", /wanted a route/, (api) => api.addRoute({})],
  ["InvalidArgument", "route.listener", /there are 2/, (api) => api.addRoute({ route: route() })],
  [
    "InvalidArgument",
    "route.listener",
    /got "x"/,
    (api) => api.addRoute({ route: route({ listener: "x" }) }),
  ],
  ["NotFound", "", /no listener/, (api) => api.addRoute({ route: route({ listener: "127.0.0.1:2" }) })],
  [
    "InvalidArgument",
    "route.hostname",
    /got "\*"?/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, hostname: "*.*.test" }) }),
  ],
  [
    "InvalidArgument",
    "route.backend",
    /got "x"/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, backend: "x" }) }),
  ],
  [
    "InvalidArgument",
    "route.mode",
    /tls_cert and tls_key/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, mode: RouteMode.L7 }) }),
  ],
  [
    "InvalidArgument",
    "route.mode",
    /got 7/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, mode: 7 as RouteMode }) }),
  ],
  [
    "InvalidArgument",
    "route.l7.tls_cert",
    /absolute path/,
    (api, { first }) =>
      api.addRoute({
        route: route({ listener: first, mode: RouteMode.L7, l7: { ...L7, tlsCert: "cert.pem" } }),
      }),
  ],
  [
    "InvalidArgument",
    "route.l7.backend_protocol",
    /got 9/,
    (api, { first }) =>
      api.addRoute({
        route: route({
          listener: first,
          mode: RouteMode.L7,
          l7: { ...L7, backendProtocol: 9 as BackendProtocol },
        }),
      }),
  ],
  [
    "InvalidArgument",
    "route.l7.backend_ca",
    /nothing without backend_tls/,
    (api, { first }) =>
      api.addRoute({
        route: route({ listener: first, mode: RouteMode.L7, l7: { ...L7, backendCa: "/ca.pem" } }),
      }),
  ],
  [
    "Unavailable",
    "",
    /\/no\/such\/cert.pem/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, mode: RouteMode.L7, l7: L7 }) }),
  ],
  [
    "InvalidArgument",
    "route.idle_timeout",
    /got -1000/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, idleTimeout: { seconds: -1n } }) }),
  ],
  [
    "InvalidArgument",
    "route.max_connections",
    /./,
    (api, { first }) => api.addRoute({ route: route({ listener: first, maxConnections: 0xffffffff }) }),
  ],
  [
    "AlreadyExists",
    "route.hostname",
    /has a route "a.test"/,
    (api, { first }) => api.addRoute({ route: route({ listener: first, hostname: "A.test" }) }),
  ],
  [
    "Aborted",
    "expected_revision",
    /3 was expected/,
    (api, { first }) => api.addRoute({ route: route({ listener: first }), expectedRevision: 3 }),
  ],
  ["InvalidArgument", "route", /wanted a route/, (api) => api.updateRoute({})],
  ["NotFound", "", /no route 99/, (api) => api.updateRoute({ route: route({ id: 99 }) })],
  [
    "InvalidArgument",
    "update_mask",
    /got "listener"/,
    (api) => api.updateRoute({ route: route({ id: 1 }), updateMask: { paths: ["listener"] } }),
  ],
  [
    "InvalidArgument",
    "route.backend",
    /got ""/,
    (api) => api.updateRoute({ route: { id: 1 }, updateMask: { paths: ["backend"] } }),
  ],
  [
    "AlreadyExists",
    "route.hostname",
    /has a route "b.test"/,
    (api) => api.updateRoute({ route: { id: 1, hostname: "b.test" }, updateMask: { paths: ["hostname"] } }),
  ],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.updateRoute({ route: route({ id: 1 }), expectedRevision: 1 }),
  ],
  ["InvalidArgument", "hostname", /got ""/, (api, { first }) => api.removeRoute({ listener: first })],
  ["InvalidArgument", "listener", /there are 2/, (api) => api.removeRoute({ hostname: "a.test" })],
  [
    "NotFound",
    "",
    /no route "c.test"/,
    (api, { first }) => api.removeRoute({ listener: first, hostname: "c.test" }),
  ],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.removeRoute({ id: 1, expectedRevision: 1 }),
  ],
];

/** About firewall rules. */
export const RULES: readonly Row[] = [
  ["InvalidArgument", "rule", /wanted a rule/, (api) => api.addFirewallRule({})],
  [
    "InvalidArgument",
    "rule.type",
    /IP, CIDR or COUNTRY/,
    (api) => api.addFirewallRule({ rule: { value: "::1" } }),
  ],
  ["InvalidArgument", "rule.value", /got "192.0.2.1\/24"/, (api) => api.addFirewallRule({ rule: BAD_RANGE })],
  ["InvalidArgument", "rule.type", /GeoIP database/, (api) => api.addFirewallRule({ rule: COUNTRY })],
  [
    "InvalidArgument",
    "rule.comment",
    /200 characters/,
    (api) => api.addFirewallRule({ rule: { ...IP, comment: "c".repeat(201) } }),
  ],
  [
    "InvalidArgument",
    "rule.expire_time",
    /a time to come/,
    (api) => api.addFirewallRule({ rule: { ...IP, expireTime: { seconds: 1n } } }),
  ],
  [
    "InvalidArgument",
    "ttl",
    /more than 0 s/,
    (api) => api.addFirewallRule({ rule: IP, ttl: { seconds: 0n } }),
  ],
  [
    "InvalidArgument",
    "ttl",
    /expire_time/,
    (api) => api.addFirewallRule({ rule: { ...IP, expireTime: { seconds: 1n } }, ttl: { seconds: 9n } }),
  ],
  ["AlreadyExists", "rule.value", /rule 1 says the same/, (api) => api.addFirewallRule({ rule: STANDING })],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.addFirewallRule({ rule: IP, expectedRevision: 1 }),
  ],
  ["InvalidArgument", "id", /id of a firewall rule/, (api) => api.removeFirewallRule({})],
  ["NotFound", "", /no firewall rule 99/, (api) => api.removeFirewallRule({ id: 99 })],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.removeFirewallRule({ id: 1, expectedRevision: 1 }),
  ],
  [
    "InvalidArgument",
    "rule.expire_time",
    /before 10000/,
    (api) => api.addFirewallRule({ rule: IP, ttl: { seconds: 10n ** 12n } }),
  ],
  [
    "InvalidArgument",
    "rule.mode",
    /got 9/,
    (api) => api.addFirewallRule({ rule: { ...IP, mode: 9 as FirewallMode } }),
  ],
  [
    "InvalidArgument",
    "rule.action",
    /got 9/,
    (api) => api.addFirewallRule({ rule: { ...IP, action: 9 as FirewallAction } }),
  ],
];
