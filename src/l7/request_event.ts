/**
 * What is told about one request.
 *
 * @module
 */

import { REQUEST_TEXT_MAX, type RequestEvent } from "../observe/events.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { ClientSession } from "./client_session.ts";
import type { ExchangeRecord } from "./exchange_record.ts";
import { requestIdOf } from "./request_rules.ts";

/** The event of a request that is over. No header value but those that name it, and nothing of its content. */
export function requestEvent(exchange: ExchangeRecord): RequestEvent {
  const { client, head, way, outbound, startedMs, firstByteMs } = exchange;
  const { context } = client;
  return {
    type: "request",
    time: Date.now(),
    connection: context.id,
    request: outbound === undefined ? "" : requestIdOf(outbound).slice(0, REQUEST_TEXT_MAX),
    route: context.route!.hostname,
    ...(way !== undefined && { backend: formatEndpoint(way.route.backend) }),
    method: head.method.slice(0, REQUEST_TEXT_MAX),
    authority: head.authority.slice(0, REQUEST_TEXT_MAX),
    path: head.path.slice(0, REQUEST_TEXT_MAX),
    status: exchange.status,
    bytes_received: exchange.requestBytes,
    bytes_sent: exchange.responseBytes,
    ...(firstByteMs > 0 && { first_byte_ms: rounded(firstByteMs - startedMs) }),
    total_ms: rounded(Math.max(client.nowMs, exchange.lastMs) - startedMs),
    ...(exchange.isRetried && { retried: true }),
  };
}

/** The event of a request that the codec has answered itself: what it asked for can't be told. */
export function refusalEvent({ context }: ClientSession, status: number): RequestEvent {
  return {
    type: "request",
    time: Date.now(),
    connection: context.id,
    request: "",
    route: context.route!.hostname,
    method: "",
    authority: "",
    path: "",
    status,
    bytes_received: 0,
    bytes_sent: 0,
    total_ms: 0,
  };
}

function rounded(ms: number): number {
  return Math.max(0, Math.round(ms * 100) / 100);
}
