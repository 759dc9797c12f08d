/**
 * How the proxy is, put together from everything that knows a part of it.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { formatDuration } from "../config/duration.ts";
import type { ServedState } from "../control/served_state.ts";
import { coversHostname, dateProblem } from "../net/certificates.ts";
import { listeningSockets } from "../net/listening_sockets.ts";
import { type LimitRow, LIMITS } from "../state/limits.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Listener, Route } from "../state/model.ts";
import { durationOf } from "./answers.ts";
import type { ControlPlane, ReloadOutcome, WorkerPlace } from "./control_plane.ts";
import { type Certificate, CertificateSchema } from "./gen/mc_proxy/v1/explain_pb.ts";
import {
  type ReloadResult,
  ReloadResultSchema,
  type Status,
  StatusSchema,
} from "./gen/mc_proxy/v1/status_pb.ts";

/** The status as an answer carries it. @param nowMs Unix ms */
export function statusMessage(plane: ControlPlane, nowMs: number): Status {
  const { configuration, revision, generation } = plane.served();
  const { tallies } = plane;
  const pending = plane.refusal() === undefined ? plane.changes.pending : undefined;
  const geoipBuiltMs = plane.geoipBuiltMs();
  const problems = problemsOf(plane, nowMs);
  return create(StatusSchema, {
    version: plane.version,
    pid: Deno.pid,
    startTime: timestampFromMs(plane.startedMs),
    uptime: durationOf(nowMs - plane.startedMs),
    revision,
    generation,
    isHealthy: problems.length === 0,
    problems,
    isDraining: plane.isDraining(),
    workers: plane.workers().map(({ column, pid, serves }) => ({
      worker: column,
      pid: pid ?? 0,
      isCurrent: serves?.revision === revision && serves.generation === generation,
      revision: serves?.revision ?? 0,
      openConnections: tallies.worker(column),
    })),
    listeners: configuration.listeners.map(({ id, address, routes }) => ({
      id,
      addr: formatEndpoint(address),
      routes: routes.length,
      openConnections: tallies.listener(id),
      endedConnections: BigInt(tallies.ended(id)),
    })),
    openConnections: tallies.all,
    firewallRules: configuration.firewallRules.length,
    workerRestarts: plane.workerRestarts(),
    limits: Object.entries(LIMITS).map(([name, row]) => ({
      key: row.key,
      value: formatLimit(row, plane.settings.limits[name as keyof typeof LIMITS]),
      defaultValue: formatLimit(row, row.default),
    })),
    ...(geoipBuiltMs !== undefined && { geoipTime: timestampFromMs(geoipBuiltMs) }),
    certificates: routesOf(plane).flatMap(([listener, route]) => {
      const certificate = certificateMessage(plane, listener, route, nowMs);
      return certificate === undefined ? [] : [certificate];
    }),
    reloads: plane.reloads().map(reloadMessage),
    ...(pending !== undefined && {
      pendingConfirm: {
        revision: pending.revision,
        revertTo: pending.revertTo,
        deadline: timestampFromMs(pending.deadlineMs),
      },
    }),
  });
}

/** What came of reading files again. */
export function reloadMessage({ what, timeMs, problem }: ReloadOutcome): ReloadResult {
  return create(ReloadResultSchema, { what, time: timestampFromMs(timeMs), problem: problem ?? "" });
}

/** The certificate that a route shows; absent = it shows none because it is L4. */
export function certificateMessage(
  plane: ControlPlane,
  listener: Pick<Listener, "address">,
  route: Route,
  nowMs: number,
): Certificate | undefined {
  if (route.l7 === undefined) return undefined;
  const place = { listener: formatEndpoint(listener.address), route: route.hostname, path: route.l7.tlsCert };
  const shown = plane.certificate(route.id);
  if (shown === undefined) {
    return create(CertificateSchema, { ...place, problem: "it can't be used; the log says why" });
  }
  const { names, validity } = shown;
  const problem = dateProblem(validity, nowMs);
  return create(CertificateSchema, {
    ...place,
    names: [...names],
    notBefore: timestampFromMs(validity.notBeforeMs),
    notAfter: timestampFromMs(validity.notAfterMs),
    coversHostname: coversHostname(names, route.hostname),
    problem: problem === undefined ? "" : `it ${problem}`,
  });
}

function routesOf(plane: ControlPlane): [Listener, Route][] {
  return plane.served().configuration.listeners.flatMap((listener) =>
    listener.routes.filter(({ enabled }) => enabled).map((route): [Listener, Route] => [listener, route])
  );
}

/** What is wrong, one sentence each. */
function problemsOf(plane: ControlPlane, nowMs: number): string[] {
  const problems: string[] = [];
  if (plane.isDraining()) problems.push("the proxy is about to stop");
  const refusal = plane.refusal();
  if (refusal !== undefined) problems.push(`nothing can be changed: ${refusal}`);
  for (const place of plane.workers()) {
    const problem = problemOf(place, plane.served());
    if (problem !== undefined) problems.push(`worker ${place.column} ${problem}`);
  }
  problems.push(...unboundOf(plane));
  for (const { what, problem } of plane.reloads()) {
    if (problem !== undefined) problems.push(`the last reload of ${what} failed: ${problem}`);
  }
  const own = plane.ownDateProblem();
  if (own !== undefined) problems.push(own);
  for (const [listener, route] of routesOf(plane)) {
    const certificate = certificateMessage(plane, listener, route, nowMs);
    if (certificate === undefined || certificate.problem === "") continue;
    problems.push(
      `certificate of route ${route.hostname} on ${certificate.listener}: ${certificate.problem}`,
    );
  }
  return problems;
}

function problemOf({ pid, serves }: WorkerPlace, { revision, generation }: ServedState): string | undefined {
  if (pid === undefined) return "is not there";
  if (serves === undefined) return "does not serve yet";
  if (serves.revision === revision && serves.generation === generation) return undefined;
  return `serves revision ${serves.revision}.${serves.generation} still, not ${revision}.${generation}`;
}

/** Listeners that lack a worker's socket: each that serves has one of its own, and the kernel can take it away. */
function unboundOf(plane: ControlPlane): string[] {
  const sockets = listeningSockets();
  if (sockets === undefined) return [];
  const serving = plane.workers().filter(({ serves }) => serves !== undefined).length;
  return plane.served().configuration.listeners.flatMap(({ address: { host, port } }) => {
    const bound = sockets.filter((socket) => socket.host === host && socket.port === port).length;
    if (bound >= serving) return [];
    return [
      `listener ${formatEndpoint({ host, port })}: ${bound} of ${serving} workers listen; restart the server`,
    ];
  });
}

/** A limit as an operator would write it. */
function formatLimit(row: LimitRow, value: number): string {
  return row.unit === "duration" ? formatDuration(value) : String(value);
}
