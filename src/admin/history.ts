/**
 * What has happened, as answers carry it: revisions, and connections that have ended.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import type { ConnectionEvent } from "../observe/events.ts";
import type { RevisionHead } from "../store/revisions.ts";
import { durationOf, timeOf } from "./answers.ts";
import { REVISION_KINDS } from "./codec.ts";
import {
  type ConfigurationChange,
  type Revision as RevisionMessage,
  RevisionSchema,
} from "./gen/mc_proxy/v1/configuration_pb.ts";
import {
  type ConnectionEvent as EventMessage,
  ConnectionEventSchema,
} from "./gen/mc_proxy/v1/connection_pb.ts";

/** A revision. @param changes those that are told */
export function revisionMessage(
  revision: RevisionHead & { readonly changeCount: number },
  changes: ConfigurationChange[],
): RevisionMessage {
  const { number, timeMs, author, kind, changeCount } = revision;
  return create(RevisionSchema, {
    number,
    createTime: timeOf(timeMs),
    author,
    kind: REVISION_KINDS[kind],
    changeCount,
    changes,
  });
}

/** A connection's story. */
export function eventMessage(event: ConnectionEvent): EventMessage {
  const { hello_ms: helloMs, dial_ms: dialMs } = event;
  return create(ConnectionEventSchema, {
    id: event.id,
    time: timeOf(event.time),
    listener: event.listener,
    client: event.client,
    reason: event.reason,
    serverName: event.sni ?? "",
    alpn: [...event.alpn ?? []],
    route: event.route ?? "",
    rule: event.rule ?? "",
    shadow: [...event.shadow ?? []],
    backend: event.backend ?? "",
    bytesReceived: BigInt(Math.floor(event.bytes_received)),
    bytesSent: BigInt(Math.floor(event.bytes_sent)),
    ...(helloMs !== undefined && { helloDuration: durationOf(helloMs) }),
    ...(dialMs !== undefined && { dialDuration: durationOf(dialMs) }),
    totalDuration: durationOf(event.total_ms),
    unlogged: event.unlogged ?? 0,
    echOffered: event.ech_offered ?? false,
  });
}
