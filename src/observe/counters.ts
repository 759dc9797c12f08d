/**
 * The closed list of counters and where each stands in a worker's column of the shared memory. A counter only
 * grows, is written by its own worker alone, and is a float64 so that 2⁵³ bytes fit.
 *
 * @module
 */

import { type Reason, REASON_NAMES } from "../reasons.ts";

/** Listeners that can exist at once; a listener's slot is below it. */
export const LISTENERS_MAX = 256;
/** Routes that can exist at once over all listeners; a route's slot is below it. */
export const ROUTES_MAX = 16_384;

/** Label values of `accept_errors_total{code}`. */
export const ACCEPT_ERROR_CODES = ["aborted", "descriptors", "memory", "other"] as const;
/** Why `accept` failed. */
export type AcceptErrorCode = typeof ACCEPT_ERROR_CODES[number];

/** Label values of `firewall_verdicts_total{type}`. */
export const VERDICT_TYPES = ["ip", "cidr", "country", "rate_limit", "connections"] as const;
/** What kind of rule decided. */
export type VerdictType = typeof VERDICT_TYPES[number];
const VERDICT_MODES = ["enforce", "shadow"] as const;

/** Label values of `phase_seconds{phase}`. */
export const PHASES = ["hello", "dial", "tls", "total"] as const;
/** A part of a connection's life that is timed. */
export type Phase = typeof PHASES[number];

/** Upper bounds of the histogram's buckets in ms; one more bucket holds the rest. */
export const PHASE_BOUNDS_MS: readonly number[] = [
  1,
  2,
  5,
  10,
  25,
  50,
  100,
  250,
  1_000,
  5_000,
  60_000,
  3_600_000,
];

const ACCEPT_ERRORS = 0;
const VERDICTS = ACCEPT_ERRORS + ACCEPT_ERROR_CODES.length;
const SINGLES = VERDICTS + VERDICT_TYPES.length * VERDICT_MODES.length;

/** Counters without a label. */
export const COUNTER = {
  geoipLookupErrors: SINGLES,
  rateTableEvictions: SINGLES + 1,
  eventsDropped: SINGLES + 2,
  geoipReloadFailures: SINGLES + 3,
  certificateReloadFailures: SINGLES + 4,
  grpcReloadFailures: SINGLES + 5,
} as const;

/** Label values of `requests_total{class}`: a status's first digit; `none` = the client left, or was cut, without one. */
export const STATUS_CLASSES = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** Label values of `flood_total{kind}`; append only. */
export const FLOOD_KINDS = [
  "reset",
  "reset_made",
  "streams",
  "ping",
  "settings",
  "priority",
  "empty_data",
  "window_update",
  "continuation",
  "header_bytes",
  "header_expansion",
  "buffered_bytes",
  "unread_output",
  "worker_buffer",
] as const;
/** A way to cost more than one gives. */
export type FloodKind = typeof FLOOD_KINDS[number];

const PHASE_STRIDE = PHASE_BOUNDS_MS.length + 2;
const PHASE_BASE = SINGLES + 8;
const LISTENER_BASE = PHASE_BASE + PHASES.length * PHASE_STRIDE;
const LISTENER_STRIDE = REASON_NAMES.length + 2;

const REQUEST_BASE = LISTENER_BASE + LISTENERS_MAX * LISTENER_STRIDE;
const FLOOD_BASE = REQUEST_BASE + ROUTES_MAX * STATUS_CLASSES.length;

/** Counters in one column. */
export const COUNTERS: number = FLOOD_BASE + 32;

const REASON_INDEX = Object.fromEntries(REASON_NAMES.map((name, index) => [name, index])) as Record<
  Reason,
  number
>;

/** `accept_errors_total{code}`. */
export function acceptErrorCounter(code: AcceptErrorCode): number {
  return ACCEPT_ERRORS + ACCEPT_ERROR_CODES.indexOf(code);
}

/** `firewall_verdicts_total{type,mode}`. */
export function verdictCounter(type: VerdictType, mode: "enforce" | "shadow"): number {
  return VERDICTS + VERDICT_TYPES.indexOf(type) * VERDICT_MODES.length + VERDICT_MODES.indexOf(mode);
}

/** `connections_total{listener,reason}`. */
export function reasonCounter(listenerSlot: number, reason: Reason): number {
  return LISTENER_BASE + listenerSlot * LISTENER_STRIDE + REASON_INDEX[reason];
}

/** `bytes_total{listener,direction}`: from the client, or to it. */
export function bytesCounter(listenerSlot: number, direction: "received" | "sent"): number {
  return LISTENER_BASE + listenerSlot * LISTENER_STRIDE + REASON_NAMES.length +
    (direction === "sent" ? 1 : 0);
}

/** All counters of one listener. */
export function listenerCounters(listenerSlot: number): number[] {
  return Array.from(
    { length: LISTENER_STRIDE },
    (_, index) => LISTENER_BASE + listenerSlot * LISTENER_STRIDE + index,
  );
}

/** All counters of one route. */
export function routeCounters(routeSlot: number): number[] {
  return STATUS_CLASSES.map((_, index) => requestCounter(routeSlot, index * 100));
}

/** `requests_total{route,class}`. */
export function requestCounter(routeSlot: number, status: number): number {
  return REQUEST_BASE + routeSlot * STATUS_CLASSES.length + Math.floor(status / 100);
}

/** `flood_total{kind}`. */
export function floodCounter(kind: FloodKind): number {
  return FLOOD_BASE + FLOOD_KINDS.indexOf(kind);
}

/** Whether a text is one of {@linkcode FLOOD_KINDS}. */
export function isFloodKind(text: string): text is FloodKind {
  return (FLOOD_KINDS as readonly string[]).includes(text);
}

/** The bucket of `phase_seconds{phase}` that `ms` falls into. */
export function phaseBucket(phase: Phase, ms: number): number {
  let bucket = 0;
  while (bucket < PHASE_BOUNDS_MS.length && ms > PHASE_BOUNDS_MS[bucket]!) bucket++;
  return PHASE_BASE + PHASES.indexOf(phase) * PHASE_STRIDE + bucket;
}

/** The sum of `phase_seconds{phase}`, in ms. */
export function phaseSum(phase: Phase): number {
  return PHASE_BASE + PHASES.indexOf(phase) * PHASE_STRIDE + PHASE_BOUNDS_MS.length + 1;
}
