/**
 * What gRPC says in HTTP's fields, and which requests are none of its.
 *
 * @module
 */

import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { Code } from "@connectrpc/connect";
import { LASTING_CALLS_MAX, STREAMS_MAX } from "./call_limits.ts";
import type { Fields, RequestHead } from "../wire/http_handler.ts";

const UNIMPLEMENTED: Fields = errorFields(Code.Unimplemented, "there is no such method here");
/** How a call ends whose client takes no answers. */
export const UNREAD: Fields = statusFields(Code.ResourceExhausted, "too many answers wait to be read");
const BUSY: Refused = {
  status: 200,
  fields: errorFields(Code.ResourceExhausted, "too many calls are under way, cancelled ones included"),
};
const LASTING: Refused = {
  status: 200,
  fields: errorFields(
    Code.ResourceExhausted,
    `at most ${LASTING_CALLS_MAX} watches and other streams may be open on one connection`,
  ),
};

/** The answer to a request that no handler takes. */
export interface Refused {
  /** HTTP's status. */
  readonly status: number;
  /** All that there is. */
  readonly fields: Fields;
}

/** What answers a request that no handler takes; `undefined` = one does. */
export function refusal(
  head: RequestHead,
  handler: UniversalHandler | undefined,
  header: Headers | undefined,
): Refused | undefined {
  if (head.method !== "POST") return { status: 405, fields: ["allow", "POST"] };
  if (header === undefined) return { status: 400, fields: [] };
  if (!/^application\/grpc(\+proto)?(;|$)/i.test(header.get("content-type") ?? "")) {
    return { status: 415, fields: ["accept-post", "application/grpc"] };
  }
  if (handler !== undefined) return undefined;
  return { status: 200, fields: UNIMPLEMENTED };
}

/** Calls of one connection. */
export interface CallCounts {
  /** Calls whose handlers are at work, cancelled ones included. */
  readonly working: number;
  /** Calls that are open and no single question and answer. */
  readonly lasting: number;
}

/** What answers a request that is one too many; `undefined` = it isn't. */
export function surplus({ method }: UniversalHandler, { working, lasting }: CallCounts): Refused | undefined {
  if (working >= STREAMS_MAX) return BUSY;
  return method.methodKind !== "unary" && lasting >= LASTING_CALLS_MAX ? LASTING : undefined;
}

/** The fields of an answer that is nothing but an error. */
function errorFields(code: Code, message: string): Fields {
  return ["content-type", "application/grpc", ...statusFields(code, message)];
}

/** How a call has ended. @param message ASCII without `%` */
function statusFields(code: Code, message: string): Fields {
  return ["grpc-status", String(code), "grpc-message", message];
}

/** Fields as `fetch` has them; `undefined` for those that it doesn't take. */
export function headersOf(fields: Fields): Headers | undefined {
  const headers = new Headers();
  try {
    for (let index = 0; index < fields.length; index += 2) headers.append(fields[index]!, fields[index + 1]!);
    return headers;
  } catch {
    return undefined;
  }
}

/** What the trailers of an answer may come to: clients take 8 KiB and more. */
const TRAILER_LENGTH_MAX = 8_192;

/** How a call has ended, cut to its code where its error is too long for a client. */
export function trailerFields(trailer: Headers | undefined): Fields {
  const fields = fieldsOf(trailer);
  const length = fields.reduce((sum, text) => sum + text.length, 0);
  if (length <= TRAILER_LENGTH_MAX) return fields;
  const code = Number(trailer?.get("grpc-status") ?? Code.Internal);
  return statusFields(code, "what is wrong takes too long to say");
}

/** The same the other way round. */
export function fieldsOf(headers: Headers | undefined): Fields {
  return [...headers ?? []].flat();
}
