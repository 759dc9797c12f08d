/**
 * The closed list of reasons for which a connection can end, used alike in log, metric, watch and explain.
 *
 * @module
 */

/**
 * How the peer sees the end of its connection.
 * - `rst`: a TCP RST, not one byte before it
 * - `alert`: a TLS alert, then a lingering close
 * - `close`: FIN
 * - `own`: its own doing
 */
export type Ending = "rst" | "alert" | "close" | "own";

/** What a reason means for the peer: the {@linkcode Ending}, and the TLS AlertDescription where there is one. */
export interface ReasonMeaning {
  /** Whoever writes this ending counts the connection under its reason. */
  readonly ending: Ending;
  /** AlertDescription (RFC 8446 §6), for `alert` endings that the proxy itself writes. */
  readonly alert?: number;
}

// AlertDescriptions (RFC 8446 §6, no_application_protocol RFC 7301 §3.2).
const RECORD_OVERFLOW = 22;
const DECODE_ERROR = 50;
const INTERNAL_ERROR = 80;
const UNRECOGNIZED_NAME = 112;
const NO_APPLICATION_PROTOCOL = 120;

/** Every reason and its meaning. The order is part of the shared memory's layout: append only. */
export const REASONS = {
  blocked_ip: { ending: "rst" },
  blocked_cidr: { ending: "rst" },
  blocked_country: { ending: "rst" },
  rate_limited: { ending: "rst" },
  over_limit: { ending: "rst" },
  killed: { ending: "rst" },
  drained: { ending: "rst" },
  loop: { ending: "rst" },
  unknown_name: { ending: "alert", alert: UNRECOGNIZED_NAME },
  no_name: { ending: "alert", alert: UNRECOGNIZED_NAME },
  hello_malformed: { ending: "alert", alert: DECODE_ERROR },
  hello_too_large: { ending: "alert", alert: RECORD_OVERFLOW },
  dial_failed: { ending: "alert", alert: INTERNAL_ERROR },
  dial_timeout: { ending: "alert", alert: INTERNAL_ERROR },
  tls_failed: { ending: "alert" },
  tls_timeout: { ending: "alert" },
  no_alpn: { ending: "alert", alert: NO_APPLICATION_PROTOCOL },
  certificate_unusable: { ending: "alert", alert: INTERNAL_ERROR },
  not_tls: { ending: "close" },
  hello_timeout: { ending: "close" },
  hello_eof: { ending: "close" },
  proxy_header_invalid: { ending: "close" },
  proxy_header_timeout: { ending: "close" },
  proxy_untrusted: { ending: "close" },
  idle: { ending: "close" },
  half_closed_idle: { ending: "close" },
  http_idle: { ending: "close" },
  flood: { ending: "close" },
  route_removed: { ending: "close" },
  listener_removed: { ending: "close" },
  internal: { ending: "close" },
  worker_lost: { ending: "close" },
  client_eof: { ending: "own" },
  backend_eof: { ending: "own" },
  client_reset: { ending: "own" },
  backend_reset: { ending: "own" },
  http_malformed: { ending: "close" },
  http_timeout: { ending: "close" },
} as const satisfies Record<string, ReasonMeaning>;

/** A reason for which a connection can end. */
export type Reason = keyof typeof REASONS;

/** All reasons in their fixed order; a reason's index is its number in shared memory. */
export const REASON_NAMES: readonly Reason[] = Object.keys(REASONS) as Reason[];
