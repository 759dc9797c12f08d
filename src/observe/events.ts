/**
 * What is told about one connection when it has ended: exactly one event each.
 *
 * @module
 */

import { type Reason, REASONS } from "../reasons.ts";

/** One connection's whole story. Names are the log's and the watch stream's: append only. */
export interface ConnectionEvent {
  /** Unix time of the end, in ms. */
  readonly time: number;
  /** Unique over all workers and restarts. */
  readonly id: string;
  /** The listener's canonical address. */
  readonly listener: string;
  /** The client's address and port; the declared one behind a trusted PROXY header. */
  readonly client: string;
  /** Why it ended. */
  readonly reason: Reason;
  /** Server name of the ClientHello, canonical; absent = none read. */
  readonly sni?: string;
  /** Protocols that the client offered. */
  readonly alpn?: readonly string[];
  /** The hello had an encrypted_client_hello extension (browsers grease it). */
  readonly ech_offered?: boolean;
  /** The route's hostname. */
  readonly route?: string;
  /** The firewall rule that decided, as `type:value`. */
  readonly rule?: string;
  /** Shadow rules that would have decided, as `type:value`. */
  readonly shadow?: readonly string[];
  /** The backend's `host:port`. */
  readonly backend?: string;
  /** Bytes read from the client, the ClientHello included. */
  readonly bytes_received: number;
  /** Bytes written to the client. */
  readonly bytes_sent: number;
  /** ms from accept to the whole ClientHello. */
  readonly hello_ms?: number;
  /** ms of connecting to the backend. */
  readonly dial_ms?: number;
  /** ms of the TLS handshake, where TLS was terminated here. */
  readonly tls_ms?: number;
  /** ms from accept to the end. */
  readonly total_ms: number;
  /** Connections with the same reason that got no line since the last one that did; absent = none. */
  readonly unlogged?: number;
}

const TEXT_MAX = 1_024;
const LIST_MAX = 64;

/** Longest text of a request event; what is longer is cut. */
export const REQUEST_TEXT_MAX = 1_024;

/** One request's story, told when it is over. Names are the log's: append only. */
export interface RequestEvent {
  /** Tells it from a connection's event. */
  readonly type: "request";
  /** Unix time of the end, in ms. */
  readonly time: number;
  /** Id of the client's connection. */
  readonly connection: string;
  /** The request's id as the backend got it; empty = it never got one. */
  readonly request: string;
  /** The route's hostname. */
  readonly route: string;
  /** The backend's `host:port`; absent = none was chosen. */
  readonly backend?: string;
  /** As sent. */
  readonly method: string;
  /** As sent. */
  readonly authority: string;
  /** As sent, with its query. */
  readonly path: string;
  /** Status that the client got; 0 = none. */
  readonly status: number;
  /** Content from the client. */
  readonly bytes_received: number;
  /** Content to the client. */
  readonly bytes_sent: number;
  /** ms from the request's head to the response's; absent = there was none. */
  readonly first_byte_ms?: number;
  /** ms from the request's head to the end. */
  readonly total_ms: number;
  /** It was sent to the backend a second time. */
  readonly retried?: true;
}

type Checks = Readonly<Record<string, (value: unknown) => boolean>>;
/** Every field of an event type has its place in one of two lists: those that must be there, those that may. */
type Fields<Event> = {
  readonly required: { readonly [Name in RequiredName<Event>]: (value: unknown) => boolean };
  readonly optional: {
    readonly [Name in Exclude<keyof Event, RequiredName<Event>>]: (value: unknown) => boolean;
  };
};
type RequiredName<Event> = {
  [Name in keyof Event]-?: undefined extends Event[Name] ? never : Name;
}[keyof Event];

const CONNECTION_FIELDS: Fields<ConnectionEvent> = {
  required: {
    time: isCount,
    id: isText,
    listener: isText,
    client: isText,
    reason: isReason,
    bytes_received: isCount,
    bytes_sent: isCount,
    total_ms: isCount,
  },
  optional: {
    sni: isText,
    alpn: isTexts,
    ech_offered: isFlag,
    route: isText,
    rule: isText,
    shadow: isTexts,
    backend: isText,
    hello_ms: isCount,
    dial_ms: isCount,
    tls_ms: isCount,
    unlogged: isCount,
  },
};

const REQUEST_FIELDS: Fields<RequestEvent> = {
  required: {
    type: (value) => value === "request",
    time: isCount,
    connection: isText,
    request: isText,
    route: isText,
    method: isText,
    authority: isText,
    path: isText,
    status: isCount,
    bytes_received: isCount,
    bytes_sent: isCount,
    total_ms: isCount,
  },
  optional: { backend: isText, first_byte_ms: isCount, retried: (value) => value === true },
};

/** Whether a value is a well-formed event. Main holds what a worker says to it as it would a stranger's word. */
export function isConnectionEvent(value: unknown): value is ConnectionEvent {
  return hasFields(value, CONNECTION_FIELDS.required, CONNECTION_FIELDS.optional);
}

/** Whether a value is a well-formed request event. */
export function isRequestEvent(value: unknown): value is RequestEvent {
  return hasFields(value, REQUEST_FIELDS.required, REQUEST_FIELDS.optional);
}

/** Exactly these fields: an unknown one could pass for a field of the log's own. */
function hasFields(value: unknown, required: Checks, optional: Checks): boolean {
  if (typeof value !== "object" || value === null) return false;
  const event = value as Readonly<Record<string, unknown>>;
  for (const name in required) if (!required[name]!(event[name])) return false;
  for (const name in event) {
    if (Object.hasOwn(required, name)) continue;
    if (!Object.hasOwn(optional, name) || !optional[name]!(event[name])) return false;
  }
  return true;
}

function isReason(value: unknown): boolean {
  return typeof value === "string" && Object.hasOwn(REASONS, value);
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && Number.isFinite(value);
}

function isFlag(value: unknown): boolean {
  return typeof value === "boolean";
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.length <= TEXT_MAX;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length <= LIST_MAX && value.every(isText);
}
