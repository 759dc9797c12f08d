/**
 * The calls about the running server: status, connections, files, metrics.
 *
 * @module
 */

import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { exportConfig } from "../config/export.ts";
import { requireRevision } from "../control/changes.ts";
import type { ConnectionEvent } from "../observe/events.ts";
import { ADDRESS_OR_CIDR_WANTED, contains, parseAddressOrCidr } from "../policy/cidr.ts";
import { canonicalCountryCode, COUNTRY_WANTED } from "../policy/country_codes.ts";
import type { ConnectionFilter } from "../proxy/connection_query.ts";
import { quote } from "../state/issue.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import { clientOf, WATCHERS_MAX } from "./connection_feed.ts";
import type { ControlPlane } from "./control_plane.ts";
import { toConnectError } from "./errors.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import type { ConnectionFilter as FilterMessage } from "./gen/mc_proxy/v1/connection_pb.ts";
import { eventMessage } from "./history.ts";
import { look, mutation } from "./mutations.ts";
import { findListener, invalid, readHostname, readListenAddress } from "./requests.ts";
import { reloadMessage, statusMessage } from "./status.ts";

type Service = ServiceImpl<typeof ProxyAdminService>;
type Methods = Pick<
  Service,
  | "getStatus"
  | "listConnections"
  | "watchConnections"
  | "closeConnections"
  | "reload"
  | "createSnapshot"
  | "exportConfig"
  | "getMetrics"
>;

const LISTED_DEFAULT = 1_000;
const LISTED_MAX = 10_000;
const IDS_MAX = 1_000;

/** The implementation. */
export function operationService(plane: ControlPlane): Methods {
  const { getStatus, exportConfig: exporting, getMetrics, reload, createSnapshot } = ProxyAdminService.method;
  return {
    getStatus: look(plane, getStatus, () => ({ status: statusMessage(plane, Date.now()) })),
    ...connectionMethods(plane),
    reload: mutation(plane, reload, async ({ expectedRevision }) => {
      requireRevision(expectedRevision, plane.served().revision);
      const outcomes = await plane.reload();
      return { results: outcomes.map(reloadMessage), generation: plane.served().generation };
    }),
    createSnapshot: mutation(plane, createSnapshot, async ({ path, expectedRevision }, { signal }) => {
      requireRevision(expectedRevision, plane.served().revision);
      if (path !== "" && !path.startsWith("/")) throw invalid("path", "an absolute path", quote(path));
      const { sizeBytes, ...rest } = await plane.snapshot(path === "" ? undefined : path, signal);
      return { ...rest, sizeBytes: BigInt(sizeBytes) };
    }),
    exportConfig: look(plane, exporting, () => {
      const { configuration, revision } = plane.served();
      return { toml: exportConfig(plane.fileSettings, configuration, Date.now()), revision };
    }),
    getMetrics: look(plane, getMetrics, () => ({ text: plane.metrics() })),
  };
}

type ConnectionMethods = Pick<Methods, "listConnections" | "watchConnections" | "closeConnections">;

function connectionMethods(plane: ControlPlane): ConnectionMethods {
  const { listConnections, closeConnections } = ProxyAdminService.method;
  return {
    listConnections: look(plane, listConnections, async ({ filter, limit }) => {
      if (limit > LISTED_MAX) throw invalid("limit", `at most ${LISTED_MAX}`);
      const { connections, total } = await plane.queries.list(
        readFilter(plane, filter),
        limit || LISTED_DEFAULT,
      );
      return {
        total,
        connections: connections.map((each) => ({
          id: each.id,
          worker: each.worker,
          listener: each.listener,
          client: each.client,
          country: each.country ?? "",
          serverName: each.sni ?? "",
          route: each.route ?? "",
          backend: each.backend ?? "",
          acceptTime: timestampFromMs(each.acceptedMs),
          bytesReceived: BigInt(Math.floor(each.bytesReceived)),
          bytesSent: BigInt(Math.floor(each.bytesSent)),
        })),
      };
    }),
    watchConnections: watchMethod(plane),
    closeConnections: mutation(plane, closeConnections, async (request) => {
      const { filter: message, all, expectedRevision } = request;
      requireRevision(expectedRevision, plane.served().revision);
      const filter = readFilter(plane, message);
      if (!all && Object.keys(filter).length === 0) {
        throw invalid("filter", "a condition, or all = true to end every connection");
      }
      return { closed: await plane.queries.close(filter, "killed", 0) };
    }),
  };
}

function watchMethod(plane: ControlPlane): Methods["watchConnections"] {
  return async function* ({ filter }, { signal }) {
    try {
      const matches = eventMatcher(plane, filter);
      if (plane.feed.watchers >= WATCHERS_MAX) {
        throw new ConnectError(`at most ${WATCHERS_MAX} may watch at once`, Code.ResourceExhausted);
      }
      using watch = plane.feed.watch(matches, signal);
      for await (const event of watch) yield { event: eventMessage(event) };
      if (watch.isLate) {
        throw new ConnectError("events were not read in time: watch again", Code.ResourceExhausted);
      }
    } catch (error) {
      throw toConnectError(error, plane.store.revision);
    }
    // Otherwise the end of a deadline would look like the end of all events.
    signal.throwIfAborted();
  };
}

/** A filter as the workers understand it. @throws ProxyError invalid, or not_found for a listener */
function readFilter(plane: ControlPlane, message: FilterMessage | undefined): ConnectionFilter {
  if (message === undefined) return {};
  const { listener, route, client, country, minAge, ids } = message;
  if (ids.length > IDS_MAX) throw invalid("filter.ids", `at most ${IDS_MAX}`);
  return {
    ...(listener !== "" && {
      listenerIds: [findListener(plane.served().configuration.listeners, listener, "filter.listener").id],
    }),
    ...(route !== "" && { hostname: readHostname(route, "filter.route") }),
    ...(client !== "" && { client: readRange(client) }),
    ...(country !== "" && { country: readCountry(country) }),
    ...(minAge !== undefined && { acceptedBeforeMs: Date.now() - durationMs(minAge) }),
    ...(ids.length > 0 && { ids }),
  };
}

function readRange(text: string): string {
  if (parseAddressOrCidr(text) !== undefined) return text;
  throw invalid("filter.client", ADDRESS_OR_CIDR_WANTED, quote(text));
}

function readCountry(text: string): string {
  const code = canonicalCountryCode(text);
  if (code === undefined) throw invalid("filter.country", COUNTRY_WANTED, quote(text));
  return code;
}

/** A filter of stories. */
function eventMatcher(
  plane: ControlPlane,
  message: FilterMessage | undefined,
): (event: ConnectionEvent) => boolean {
  const { listenerIds: _, acceptedBeforeMs: __, ...filter } = readFilter(plane, message);
  const listener = message === undefined || message.listener === ""
    ? undefined
    : formatEndpoint(readListenAddress(message.listener, "filter.listener"));
  const minAgeMs = message?.minAge === undefined ? 0 : durationMs(message.minAge);
  const ids = filter.ids && new Set(filter.ids);
  const range = filter.client === undefined ? undefined : parseAddressOrCidr(filter.client);
  return (event) => {
    if (listener !== undefined && event.listener !== listener) return false;
    if (filter.hostname !== undefined && event.route !== filter.hostname) return false;
    if (event.total_ms < minAgeMs || (ids !== undefined && !ids.has(event.id))) return false;
    if (range === undefined && filter.country === undefined) return true;
    const client = clientOf(event);
    if (client === undefined) return false;
    if (range !== undefined && !contains(range, client)) return false;
    return filter.country === undefined || plane.country(client) === filter.country;
  };
}
