/**
 * The one table of limits: every timeout, cap and budget with its TOML key, unit, default and what zero means.
 * The configuration parser, `status` and the documentation are made from it.
 *
 * @module
 */

/** What a limit counts. `duration` is written in TOML as a string such as `"1m30s"` and held in ms. */
export type LimitUnit = "duration" | "count" | "bytes";

/** What 0 means: `off` = no limit; `computed` = chosen at start; `refused` = a configuration error; `value` = 0 itself. */
export type LimitZero = "off" | "computed" | "refused" | "value";

/** One limit. */
export interface LimitRow {
  /** Section and key in the TOML file, such as `proxy.connect_timeout`. */
  readonly key: string;
  /** How the value is written in TOML and held in the program. */
  readonly unit: LimitUnit;
  /** In ms for durations. */
  readonly default: number;
  /** Whether an operator may write 0, and what it does. */
  readonly zero: LimitZero;
  /** Largest legal value, in ms for durations. */
  readonly max: number;
  /** One line for `mc-proxy.toml.example` and status. */
  readonly meaning: string;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function duration(key: string, defaultMs: number, zero: LimitZero, meaning: string, max = DAY): LimitRow {
  return { key, unit: "duration", default: defaultMs, zero, max, meaning };
}

function count(
  key: string,
  defaultCount: number,
  zero: LimitZero,
  meaning: string,
  max = 1_000_000,
): LimitRow {
  return { key, unit: "count", default: defaultCount, zero, max, meaning };
}

function bytes(key: string, defaultBytes: number, zero: LimitZero, meaning: string, max: number): LimitRow {
  return { key, unit: "bytes", default: defaultBytes, zero, max, meaning };
}

/** Every limit that an operator can set, by the name that the program uses for its value. */
export const LIMITS = {
  clientHelloTimeoutMs: duration(
    "proxy.client_hello_timeout",
    5 * SECOND,
    "refused",
    "from accept to the whole ClientHello",
    MINUTE,
  ),
  connectTimeoutMs: duration(
    "proxy.connect_timeout",
    5 * SECOND,
    "refused",
    "one try to connect to a backend",
    MINUTE,
  ),
  dialTimeoutMs: duration(
    "proxy.dial_timeout",
    10 * SECOND,
    "refused",
    "all tries to connect to a backend",
    5 * MINUTE,
  ),
  idleTimeoutMs: duration(
    "proxy.idle_timeout",
    HOUR,
    "off",
    "no byte in either direction of an L4 connection",
    30 * DAY,
  ),
  halfClosedTimeoutMs: duration(
    "proxy.half_closed_timeout",
    MINUTE,
    "refused",
    "no byte after one side has finished",
    DAY,
  ),
  shutdownTimeoutMs: duration(
    "proxy.shutdown_timeout",
    30 * SECOND,
    "value",
    "how long a drain waits before it cuts",
    DAY,
  ),
  drainDelayMs: duration("proxy.drain_delay", 0, "value", "from NOT_SERVING to the end of accepting", HOUR),
  maxConnections: count(
    "proxy.max_connections",
    0,
    "computed",
    "connections open at once in all workers; 0 = workers × (file limit − 256) / 3",
    10_000_000,
  ),
  workers: count("proxy.workers", 0, "computed", "worker processes; 0 = one per CPU", 64),
  tlsHandshakeTimeoutMs: duration(
    "http.tls_handshake_timeout",
    10 * SECOND,
    "refused",
    "from the ClientHello to the end of the handshake",
    MINUTE,
  ),
  requestHeaderTimeoutMs: duration(
    "http.request_header_timeout",
    10 * SECOND,
    "refused",
    "from a request's first byte to its whole header",
    5 * MINUTE,
  ),
  responseHeaderTimeoutMs: duration(
    "http.response_header_timeout",
    MINUTE,
    "off",
    "from the end of a request to its response header; off for gRPC",
  ),
  streamIdleTimeoutMs: duration(
    "http.stream_idle_timeout",
    5 * MINUTE,
    "off",
    "no byte in either direction of a stream; of gRPC and WebSockets, while a window is shut",
  ),
  httpIdleTimeoutMs: duration("http.idle_timeout", 3 * MINUTE, "off", "client connection without a stream"),
  backendIdleTimeoutMs: duration(
    "http.backend_idle_timeout",
    0,
    "computed",
    "unused backend connection; 0 = 4 s for http/1.1, 60 s for h2",
    HOUR,
  ),
  maxHeaderBytes: bytes("http.max_header_bytes", 65_536, "refused", "one header section", 1 << 20),
  maxHeaderFields: count("http.max_header_fields", 128, "refused", "fields in one header section", 10_000),
  maxConcurrentStreams: count(
    "http.max_concurrent_streams",
    100,
    "refused",
    "streams open at once on one client connection",
    10_000,
  ),
  maxBodyBytes: bytes(
    "http.max_body_bytes",
    0,
    "off",
    "request content; over it 413",
    Number.MAX_SAFE_INTEGER,
  ),
  maxResetsPerSecond: count(
    "http.max_resets_per_second",
    33,
    "refused",
    "stream resets by, or because of, a client",
  ),
  maxResetsBurst: count("http.max_resets_burst", 1_000, "refused", "stream resets at once"),
  maxControlFramesPerSecond: count(
    "http.max_control_frames_per_second",
    100,
    "refused",
    "PING, SETTINGS, PRIORITY, empty DATA, WINDOW_UPDATE, each",
  ),
  maxContinuationFrames: count(
    "http.max_continuation_frames",
    16,
    "refused",
    "CONTINUATION frames of one header section",
    1_000,
  ),
  maxBufferedBytesPerConnection: bytes(
    "http.max_buffered_bytes_per_connection",
    1 << 20,
    "refused",
    "bytes held for one client connection",
    1 << 30,
  ),
  rateLimit: count("firewall.rate_limit", 0, "off", "new connections per second and address (IPv6: /64)"),
  rateBurst: count(
    "firewall.rate_burst",
    0,
    "computed",
    "new connections at once and address; 0 = 2 × rate_limit",
  ),
  maxConnectionsPerIp: count(
    "firewall.max_connections_per_ip",
    0,
    "off",
    "connections open at once per address (IPv6: /64)",
  ),
} as const satisfies Record<string, LimitRow>;

/** The value of every limit, in ms for durations. */
export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

/** Every limit at its default. */
export const DEFAULT_LIMITS: Limits = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, row]) => [name, row.default])),
) as Limits;
