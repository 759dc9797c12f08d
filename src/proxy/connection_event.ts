/**
 * A connection's story as the one event that is told of it.
 *
 * @module
 */

import type { ConnectionEvent } from "../observe/events.ts";
import type { AdmitVerdict } from "../policy/decide.ts";
import type { DecisionRule } from "../policy/firewall.ts";
import type { Reason } from "../reasons.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint, Route } from "../state/model.ts";
import type { ClientHello } from "../wire/client_hello.ts";

/** Protocols of a hello, and shadow rules, that an event tells; characters of each protocol. */
const LIST_MAX = 16;
const PROTOCOL_LENGTH_MAX = 64;

/** What a connection was, at its end. Times are in ms. */
export interface ConnectionStory {
  /** Unix time of the accept. */
  readonly nowMs: number;
  /** Unique over all workers and restarts. */
  readonly id: string;
  /** Whose client it was, by canonical address. */
  readonly listenerName: string;
  /** The client's address, canonical. */
  readonly client: { readonly text: string };
  /** The client's port. */
  readonly clientPort: number;
  /** Absent = none was read. */
  readonly hello: ClientHello | undefined;
  /** Absent = not judged. */
  readonly admission: AdmitVerdict | undefined;
  /** Absent = none matched. */
  readonly route: Route | undefined;
  /** Absent = nothing was dialled. */
  readonly backendAddress: Endpoint | undefined;
  /** Bytes read from the client. */
  readonly bytesReceived: number;
  /** Bytes written to the client. */
  readonly bytesSent: number;
  /** From accept to the whole ClientHello; absent = it never was whole. */
  readonly helloMs: number | undefined;
  /** Of connecting to the backend; absent = nothing was dialled. */
  readonly dialMs: number | undefined;
  /** Of the TLS handshake; absent = TLS isn't terminated here. */
  readonly tlsMs: number | undefined;
  /** From accept to end. */
  readonly totalMs: number;
}

/** The event in the order of its fields; what is `undefined` in it isn't written. */
type Draft = { readonly [Name in keyof ConnectionEvent]-?: ConnectionEvent[Name] | undefined };

/**
 * Tells the story. One object of one shape: this runs for every connection.
 *
 * @param unlogged connections with the same reason that got no event since the last one that did
 */
export function connectionEvent(story: ConnectionStory, reason: Reason, unlogged: number): ConnectionEvent {
  const { hello, admission, backendAddress } = story;
  const draft: Draft = {
    time: story.nowMs + Math.round(story.totalMs),
    id: story.id,
    listener: story.listenerName,
    client: formatEndpoint({ host: story.client.text, port: story.clientPort }),
    reason,
    sni: hello?.serverName,
    alpn: hello === undefined || hello.alpnProtocols.length === 0 ? undefined : toldProtocols(hello),
    ech_offered: hello?.echOffered,
    route: story.route?.hostname,
    rule: admission?.rule === undefined ? undefined : ruleName(admission.rule),
    shadow: admission === undefined || admission.shadowed.length === 0 ? undefined : toldRules(admission),
    backend: backendAddress === undefined ? undefined : formatEndpoint(backendAddress),
    bytes_received: story.bytesReceived,
    bytes_sent: story.bytesSent,
    hello_ms: rounded(story.helloMs),
    dial_ms: rounded(story.dialMs),
    tls_ms: rounded(story.tlsMs),
    total_ms: rounded(story.totalMs),
    unlogged: unlogged === 0 ? undefined : unlogged,
  };
  return draft as ConnectionEvent;
}

function toldProtocols({ alpnProtocols }: ClientHello): readonly string[] {
  return alpnProtocols.slice(0, LIST_MAX).map((protocol) => protocol.slice(0, PROTOCOL_LENGTH_MAX));
}

function toldRules({ shadowed }: AdmitVerdict): readonly string[] {
  return shadowed.slice(0, LIST_MAX).map(ruleName);
}

function ruleName(rule: DecisionRule): string {
  return `${rule.type}:${rule.value}`;
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 100) / 100;
}
