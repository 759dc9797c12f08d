/**
 * From a backend's response to the client's, and what passes in both directions: trailers and reset codes.
 *
 * @module
 */

import { isForbiddenTrailer } from "../wire/http_fields.ts";
import { ErrorCode, type Fields, type ResponseHead } from "../wire/http_handler.ts";
import {
  type FieldRule,
  isAltSvc,
  isForwarding,
  isHopByHop,
  isLookAlike,
  isProxyField,
  isRequestId,
  withoutDropped,
} from "./field_rules.ts";

/** What is never copied from a backend's response. */
export const RESPONSE_RULES: readonly FieldRule[] = [isHopByHop, isAltSvc];

/** What is never copied from a trailer section of either side: what its head could not have said either. */
export const TRAILER_RULES: readonly FieldRule[] = [
  isHopByHop,
  isForbiddenTrailer,
  isForwarding,
  isProxyField,
  isRequestId,
  isLookAlike,
  isAltSvc,
];

/**
 * A head, final or interim (101 included), as it goes to the client: status and order are the backend's. What
 * `connection` names goes, too.
 *
 * @returns `head` itself when nothing had to go
 */
export function outboundResponse(head: ResponseHead): ResponseHead {
  const fields = withoutDropped(head.fields, RESPONSE_RULES);
  if (fields === head.fields) return head;
  return { status: head.status, fields, neverIndexed: head.neverIndexed };
}

/** A trailer section as it passes, in either direction; the same array when nothing had to go. */
export function outboundTrailers(fields: Fields): Fields {
  return withoutDropped(fields, TRAILER_RULES);
}

const PASSED_CODES: ReadonlySet<number> = new Set([
  ErrorCode.NO_ERROR,
  ErrorCode.CANCEL,
  ErrorCode.REFUSED_STREAM,
  ErrorCode.INTERNAL_ERROR,
  ErrorCode.ENHANCE_YOUR_CALM,
]);

/** A reset's code on the other side: those that speak of the request pass, those about the connection are INTERNAL_ERROR. */
export function passedResetCode(code: number): number {
  return PASSED_CODES.has(code) ? code : ErrorCode.INTERNAL_ERROR;
}
