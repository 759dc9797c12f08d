/**
 * Answers of the proxy's own: a short plain text, or for a gRPC call a status that its client understands.
 *
 * @module
 */

import { NEVER_INDEXED_NONE, type ResponseHead } from "../wire/http_handler.ts";

/** A whole answer. */
export interface ErrorResponse {
  /** Its head, with the length of `content`. */
  readonly head: ResponseHead;
  /** Shared by all answers of that status: not to be written into. Empty for gRPC, whose head is all. */
  readonly content: Uint8Array;
}

/** One status: what is said to people, and the gRPC code that clients act on. */
export interface ErrorRow {
  /** Reason phrase. */
  readonly text: string;
  /** Code of the gRPC status list; UNAVAILABLE (14) alone invites to try again. */
  readonly grpcStatus: number;
  /** Why, for people: printable ASCII without `%`, so that it needs no encoding as `grpc-message`. */
  readonly detail: string;
  /** More fields that the status calls for. */
  readonly fields?: readonly string[];
}

const ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** Every status that the proxy answers by itself. */
export const ERROR_ROWS: Readonly<Record<number, ErrorRow>> = {
  400: { text: "Bad Request", grpcStatus: 13, detail: "the request is malformed" },
  405: {
    text: "Method Not Allowed",
    grpcStatus: 12,
    detail: "the method is not served",
    fields: ["allow", ALLOWED_METHODS],
  },
  408: { text: "Request Timeout", grpcStatus: 4, detail: "the request content did not come in time" },
  413: { text: "Content Too Large", grpcStatus: 8, detail: "the request content is over the limit" },
  421: {
    text: "Misdirected Request",
    grpcStatus: 14,
    detail: "this connection does not serve that authority",
  },
  431: {
    text: "Request Header Fields Too Large",
    grpcStatus: 8,
    detail: "the request header is over the limit",
  },
  501: { text: "Not Implemented", grpcStatus: 12, detail: "the protocol is not forwarded" },
  502: { text: "Bad Gateway", grpcStatus: 14, detail: "the backend could not be reached or broke off" },
  503: { text: "Service Unavailable", grpcStatus: 14, detail: "no connection is free" },
  504: { text: "Gateway Timeout", grpcStatus: 14, detail: "the backend did not answer in time" },
};

const NO_CONTENT = new Uint8Array(0);

const PLAIN = responses(plainResponse);
const GRPC = responses(grpcResponse);

function responses(
  build: (status: number, row: ErrorRow) => ErrorResponse,
): ReadonlyMap<number, ErrorResponse> {
  return new Map(
    Object.entries(ERROR_ROWS).map(([status, row]) => [Number(status), build(Number(status), row)]),
  );
}

/**
 * The answer that refuses or fails a request.
 *
 * - Otherwise: `status`, `text/plain`, a line of text. In answer to HEAD send the head alone.
 * - gRPC: 200 with `grpc-status` and `grpc-message` in the head, which ends the stream (trailers-only).
 *
 * @param status one of {@linkcode ERROR_ROWS}; any other is answered as 502
 */
export function errorResponse(status: number, isGrpc: boolean): ErrorResponse {
  const table = isGrpc ? GRPC : PLAIN;
  return table.get(status) ?? table.get(502)!;
}

function plainResponse(status: number, { text, detail, fields = [] }: ErrorRow): ErrorResponse {
  const content = new TextEncoder().encode(`${status} ${text}: ${detail}\n`);
  const own = ["content-type", "text/plain", "content-length", String(content.length), ...fields];
  return { head: { status, fields: own, neverIndexed: NEVER_INDEXED_NONE }, content };
}

function grpcResponse(_status: number, { grpcStatus, detail }: ErrorRow): ErrorResponse {
  const fields = [
    "content-type",
    "application/grpc",
    "grpc-status",
    String(grpcStatus),
    "grpc-message",
    detail,
  ];
  return { head: { status: 200, fields, neverIndexed: NEVER_INDEXED_NONE }, content: NO_CONTENT };
}
