/**
 * A connection's event for tests of what carries events.
 *
 * @module
 */

import type { ConnectionEvent } from "../../src/observe/events.ts";

/** An event with every field. */
export const EVENT = {
  time: 1_790_000_000_000,
  id: "k1-0-1",
  listener: "127.0.0.1:443",
  client: "192.0.2.1:50000",
  reason: "client_eof",
  sni: "a.test",
  alpn: ["h2", "http/1.1"],
  ech_offered: false,
  route: "*.test",
  rule: "cidr:192.0.2.0/24",
  shadow: ["country:DE"],
  backend: "127.0.0.1:8443",
  bytes_received: 517,
  bytes_sent: 4_096,
  hello_ms: 0.41,
  dial_ms: 0.22,
  total_ms: 12.5,
} as const satisfies Partial<ConnectionEvent>;
