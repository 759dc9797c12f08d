/**
 * Calls that change several things, ask or operate, each wrong in one way.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { type Existing, OperationSchema } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { applied, BAD_RANGE, type Call, IP, listener, route, type Row } from "./admin_calls.ts";

/** About revisions. */
export const REVISIONS: readonly Row[] = [
  [
    "InvalidArgument",
    "operations[1]",
    /wanted an operation/,
    (api, { first }) =>
      api.apply({
        operations: [...applied({ case: "removeListener", value: first }), create(OperationSchema)],
      }),
  ],
  [
    "InvalidArgument",
    "operations[0].add_route.backend",
    /got "x"/,
    (api, { first }) =>
      api.apply({
        operations: applied({ case: "addRoute", value: route({ listener: first, backend: "x" }) }),
      }),
  ],
  [
    "InvalidArgument",
    "operations[0].add_route.listener",
    /there are 2/,
    (api) => api.apply({ operations: applied({ case: "addRoute", value: route() }) }),
  ],
  [
    "InvalidArgument",
    "operations[0].remove_route.listener",
    /there are 2/,
    (api) => api.apply({ operations: applied({ case: "removeRoute", value: route() }) }),
  ],
  [
    "InvalidArgument",
    "operations[0].update_listener.addr",
    /address can't change/,
    (api) =>
      api.apply({
        operations: applied({ case: "updateListener", value: listener("127.0.0.1:2", { id: 1 }) }),
      }),
  ],
  [
    "InvalidArgument",
    "operations[0].remove_listener",
    /got "x"/,
    (api) => api.apply({ operations: applied({ case: "removeListener", value: "x" }) }),
  ],
  ["AlreadyExists", "operations[1].add_route.hostname", /already/, (api, { first }) => {
    const step = { case: "addRoute", value: route({ listener: first }) } as const;
    return api.apply({ operations: applied(step, step) });
  }],
  [
    "NotFound",
    "operations[0].remove_firewall_rule",
    /no firewall rule 99/,
    (api) => api.apply({ operations: applied({ case: "removeFirewallRule", value: 99 }) }),
  ],
  ["InvalidArgument", "confirm_within", /1 s to 1 h/, (api) => api.apply({ confirmWithin: { seconds: 0n } })],
  [
    "InvalidArgument",
    "confirm_within",
    /1 s to 1 h/,
    (api) => api.apply({ confirmWithin: { seconds: 3_601n } }),
  ],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.apply({ dryRun: true, expectedRevision: 1 }),
  ],
  ["FailedPrecondition", "", /no change waits/, (api) => api.confirm({})],
  ["InvalidArgument", "limit", /at most 1000/, (api) => api.listRevisions({ limit: 1_001 })],
  ["NotFound", "", /no revision 99/, (api) => api.diffRevisions({ to: 99 })],
  ["NotFound", "", /no revision 98/, (api) => api.diffRevisions({ from: 98, to: 1 })],
  ["InvalidArgument", "revision", /number of a revision/, (api) => api.rollback({})],
  ["NotFound", "", /no revision 99/, (api) => api.rollback({ revision: 99 })],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.rollback({ revision: 1, expectedRevision: 1 }),
  ],
];

/** Calls that say what becomes of open connections; 9 says nothing. */
const EXISTING_CALLS: readonly Call[] = [
  (api) => api.removeListener({ id: 1, existing: 9 as Existing }),
  (api) => api.removeRoute({ id: 1, existing: 9 as Existing }),
  (api) => api.addFirewallRule({ rule: IP, existing: 9 as Existing }),
  (api) => api.removeFirewallRule({ id: 1, existing: 9 as Existing }),
  (api) => api.apply({ existing: 9 as Existing }),
  (api) => api.rollback({ revision: 1, existing: 9 as Existing }),
];

/** About the running server. */
export const QUESTIONS: readonly Row[] = [
  ["InvalidArgument", "listener", /there are 2/, (api) => api.explain({ client: "192.0.2.1" })],
  ["InvalidArgument", "client", /got ""/, (api, { first }) => api.explain({ listener: first })],
  ["NotFound", "", /no listener/, (api) => api.explain({ listener: "127.0.0.1:2", client: "192.0.2.1" })],
  ["InvalidArgument", "rules[1].value", /got/, (api) => api.tryRules({ rules: [IP, BAD_RANGE] })],
  ["InvalidArgument", "examples_max", /at most 100/, (api) => api.tryRules({ examplesMax: 101 })],
  ["InvalidArgument", "limit", /at most 10000/, (api) => api.listConnections({ limit: 10_001 })],
  ["InvalidArgument", "filter.client", /got "x"/, (api) => api.listConnections({ filter: { client: "x" } })],
  [
    "InvalidArgument",
    "filter.country",
    /got "XX"/,
    (api) => api.listConnections({ filter: { country: "XX" } }),
  ],
  [
    "InvalidArgument",
    "filter.route",
    /got "a b"/,
    (api) => api.listConnections({ filter: { route: "a b" } }),
  ],
  [
    "InvalidArgument",
    "filter.listener",
    /got "x"/,
    (api) => api.listConnections({ filter: { listener: "x" } }),
  ],
  [
    "InvalidArgument",
    "filter.ids",
    /at most 1000/,
    (api) => api.listConnections({ filter: { ids: Array.from({ length: 1_001 }, String) } }),
  ],
  ["NotFound", "", /no listener/, (api) => api.listConnections({ filter: { listener: "127.0.0.1:2" } })],
  [
    "InvalidArgument",
    "filter.client",
    /got "x"/,
    (api) => api.watchConnections({ filter: { client: "x" } })[Symbol.asyncIterator]().next(),
  ],
  ["InvalidArgument", "filter", /all = true/, (api) => api.closeConnections({})],
  ["InvalidArgument", "filter.client", /got "x"/, (api) => api.closeConnections({ filter: { client: "x" } })],
  ["InvalidArgument", "path", /absolute path/, (api) => api.createSnapshot({ path: "copy.db" })],
  ["Unavailable", "", /./, (api) => api.createSnapshot({ path: "/no/such/folder/copy.db" })],
  [
    "InvalidArgument",
    "idempotency-key",
    /1 to 128 characters/,
    (api) => api.removeRoute({ id: 1 }, { headers: { "idempotency-key": "k".repeat(129) } }),
  ],
  ["Aborted", "expected_revision", /1 was expected/, (api) => api.confirm({ expectedRevision: 1 })],
  [
    "Aborted",
    "expected_revision",
    /1 was expected/,
    (api) => api.closeConnections({ all: true, expectedRevision: 1 }),
  ],
  ["Aborted", "expected_revision", /1 was expected/, (api) => api.reload({ expectedRevision: 1 })],
  ["Aborted", "expected_revision", /1 was expected/, (api) => api.createSnapshot({ expectedRevision: 1 })],
  ...EXISTING_CALLS.map((call): Row => ["InvalidArgument", "existing", /KEEP, DRAIN or CLOSE, got 9/, call]),
];
