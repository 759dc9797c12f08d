/**
 * From a client's request head to the backend's. What comes in is read only, what goes out is built: first what
 * refuses the request, then what passes, then what is ours to say.
 *
 * @module
 */

import { fieldValue, isOriginPath, isTeTrailers, parseAuthority } from "../wire/http_fields.ts";
import type { RequestHead } from "../wire/http_handler.ts";
import { canonicalServerName } from "../wire/server_name.ts";
import {
  type FieldRule,
  isForwarding,
  isHopByHop,
  isLookAlike,
  isProxyField,
  isRequestId,
  withoutDropped,
} from "./field_rules.ts";
import { addForwarding, type ForwardingFacts } from "./forwarding_rules.ts";

/** A request on its way through the rules. */
export interface RequestDraft {
  /** As the client's codec gave it. */
  readonly inbound: RequestHead;
  /** Who asked. */
  readonly facts: ForwardingFacts;
  /** Ours, for a request that brings no sane id. */
  readonly requestId: string;
  /** Fields of the outbound head so far. */
  fields: string[];
}

/** One step; a status refuses the request, and no later rule is asked. */
export type RequestRule = (draft: RequestDraft) => number | undefined;

/** A proxy of named routes is no tunnel to anywhere: plain CONNECT is 405. */
export function refusePlainConnect({ inbound }: RequestDraft): number | undefined {
  return inbound.method === "CONNECT" && inbound.protocol === undefined ? 405 : undefined;
}

/** Of the protocols that extended CONNECT or `Upgrade` can name, only `websocket` is forwarded: 501. */
export function refuseOtherProtocols({ inbound }: RequestDraft): number | undefined {
  return inbound.protocol === undefined || inbound.protocol === "websocket" ? undefined : 501;
}

/** The client came over TLS: whoever says another scheme means another resource (RFC 9110 §4.2.2): 400. */
export function refuseOtherSchemes({ inbound }: RequestDraft): number | undefined {
  return inbound.scheme === "https" || inbound.scheme === "" ? undefined : 400;
}

/** Origin form, or `OPTIONS *`: anything else would be read anew, and differently, by the backend: 400. */
export function refuseOtherTargets({ inbound }: RequestDraft): number | undefined {
  const { path, method } = inbound;
  return isOriginPath(path) || (path === "*" && method === "OPTIONS") ? undefined : 400;
}

/** What is never copied from a client's request. */
export const DROPPED_FROM_REQUESTS: readonly FieldRule[] = [
  isHopByHop,
  isForwarding,
  isProxyField,
  isRequestId,
  isLookAlike,
];

/** Copies what passes, in the client's order: nothing that `connection` names, nothing of the above. */
export function passEndToEnd(draft: RequestDraft): undefined {
  const { fields } = draft.inbound;
  const kept = withoutDropped(fields, DROPPED_FROM_REQUESTS);
  draft.fields = kept === fields ? fields.slice() : kept as string[];
}

/** `te: trailers` passes, once: gRPC backends insist on it. */
export function passTeTrailers({ inbound: { fields }, fields: outbound }: RequestDraft): undefined {
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "te" || !acceptsTrailers(fields[index + 1]!)) continue;
    outbound.push("te", "trailers");
    return;
  }
}

function acceptsTrailers(te: string): boolean {
  return isTeTrailers(te) ||
    (te.includes(",") && te.split(",").some((coding) => isTeTrailers(coding.trim())));
}

/** Says who asked. */
export function setForwarding({ inbound, facts, fields }: RequestDraft): undefined {
  addForwarding(fields, facts, inbound.authority);
}

/** The client's id when it brings exactly one and it is sane, else ours. Always the last field. */
export function setRequestId({ inbound, requestId, fields }: RequestDraft): undefined {
  fields.push("x-request-id", saneRequestId(inbound) ?? requestId);
}

/** Every rule, in the order in which they are asked. Ours are set after the client's were removed. */
export const REQUEST_RULES: readonly RequestRule[] = [
  refusePlainConnect,
  refuseOtherProtocols,
  refuseOtherSchemes,
  refuseOtherTargets,
  passEndToEnd,
  passTeTrailers,
  setForwarding,
  setRequestId,
];

/**
 * The head as it goes to the backend; authority, path and method are the client's, to the byte.
 *
 * @param requestId used when the client brings none that is sane
 * @returns a new head, or the status that refuses the request: 400, 405, 501
 */
export function outboundRequest(
  head: RequestHead,
  facts: ForwardingFacts,
  requestId: string,
): RequestHead | number {
  const draft: RequestDraft = { inbound: head, facts, requestId, fields: [] };
  for (const rule of REQUEST_RULES) {
    const status = rule(draft);
    if (status !== undefined) return status;
  }
  const { method, authority, path, protocol, neverIndexed } = head;
  const { fields } = draft;
  const outbound = { method, scheme: facts.backendScheme, authority, path, fields, neverIndexed };
  return protocol === undefined ? outbound : { ...outbound, protocol };
}

/** The id of a head that {@linkcode outboundRequest} built. */
export function requestIdOf({ fields }: RequestHead): string {
  return fields.at(-1) ?? "";
}

const REQUEST_ID_CHARACTERS_MAX = 128;

function saneRequestId({ fields }: RequestHead): string | undefined {
  let found: string | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "x-request-id") continue;
    if (found !== undefined) return undefined;
    found = fields[index + 1]!;
  }
  return found !== undefined && isSane(found) ? found : undefined;
}

/** What fits into a log line and a URL without quoting: letters, digits and `+-./:=@_`. */
function isSane(id: string): boolean {
  return id.length <= REQUEST_ID_CHARACTERS_MAX && /^[A-Za-z0-9+./:=@_-]+$/.test(id);
}

/**
 * The name to look up in the listener's route table for an authority (421 when that finds another route).
 *
 * @returns canonical and without port; `undefined` for an IP literal, which only the default route serves
 */
export function routeNameOf(authority: string): string | undefined {
  const host = parseAuthority(authority)?.host;
  return host === undefined ? undefined : canonicalServerName(host);
}

const GRPC = "application/grpc";

/** Whether it is a gRPC call by its content type: `application/grpc`, alone or before `+` or `;`. Not gRPC-Web. */
export function isGrpcRequest({ fields }: Pick<RequestHead, "fields">): boolean {
  const type = fieldValue(fields, "content-type");
  if (type === undefined || type.length < GRPC.length) return false;
  if (type.slice(0, GRPC.length).toLowerCase() !== GRPC) return false;
  const next = type[GRPC.length];
  return next === undefined || next === "+" || next === ";" || next === " ";
}

const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Whether repeating a request of that method does no more than one of it (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}
