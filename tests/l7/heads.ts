/**
 * Heads and facts for the tests of the header rules, and requests read from text by the real HTTP/1.1 codec.
 *
 * @module
 */

import { Http1ServerConnection } from "../../src/http1/server_connection.ts";
import type { ForwardingFacts } from "../../src/l7/forwarding_rules.ts";
import {
  type Fields,
  type HttpHandler,
  NEVER_INDEXED_NONE,
  type RequestHead,
  type ResponseHead,
} from "../../src/wire/http_handler.ts";

/** A client on 192.0.2.1 that reached port 443; h2 on both sides, the backend in clear. */
export const FACTS: ForwardingFacts = {
  client: "192.0.2.1",
  port: 443,
  clientVersion: "h2",
  backendVersion: "h2",
  backendScheme: "http",
};

/** Our own request id. */
export const OUR_ID = "ours-1";

/** A GET of `/` over h2 from `app.test`, with what `head` says otherwise. */
export function requestHead(head: Partial<RequestHead> = {}): RequestHead {
  return {
    method: "GET",
    scheme: "https",
    authority: "app.test",
    path: "/",
    fields: [],
    neverIndexed: NEVER_INDEXED_NONE,
    ...head,
  };
}

/** A response with these fields. */
export function responseHead(status: number, fields: Fields): ResponseHead {
  return { status, fields, neverIndexed: NEVER_INDEXED_NONE };
}

/** `name: value` lines in order. */
export function lines(fields: Fields): string[] {
  const found: string[] = [];
  for (let index = 0; index < fields.length; index += 2) found.push(`${fields[index]}: ${fields[index + 1]}`);
  return found;
}

/** Values of one field. */
export function valuesOf(fields: Fields, name: string): string[] {
  return fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === name);
}

/** The head that our HTTP/1.1 server makes of `text`, a whole request; `undefined` when it refuses it. */
export function readHead(text: string): RequestHead | undefined {
  let found: RequestHead | undefined;
  const handler: HttpHandler = {
    request: (_streamId, head) => found = head,
    response: () => {},
    data: () => {},
    trailers: () => {},
    reset: () => {},
    taken: () => {},
    goAway: () => {},
    ready: () => {},
    closed: () => {},
  };
  new Http1ServerConnection(handler).receive(Uint8Array.from(text, (char) => char.charCodeAt(0)), 0);
  return found;
}

/** The forwarding fields that a backend gets, each exactly once. */
export const FORWARDING_NAMES: readonly string[] = [
  "x-forwarded-for",
  "x-real-ip",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
];
