import assert from "node:assert/strict";

import { type Ending, REASON_NAMES, REASONS } from "../src/reasons.ts";

/** What a client sees, by how its connection ends. The order is the order of the numbers in shared memory. */
const EXPECTED: readonly (readonly [Ending, string])[] = [
  ["rst", "blocked_ip blocked_cidr blocked_country rate_limited over_limit killed drained loop"],
  [
    "alert",
    "unknown_name no_name hello_malformed hello_too_large dial_failed dial_timeout tls_failed tls_timeout no_alpn certificate_unusable",
  ],
  [
    "close",
    "not_tls hello_timeout hello_eof proxy_header_invalid proxy_header_timeout proxy_untrusted idle half_closed_idle http_idle flood route_removed listener_removed internal worker_lost",
  ],
  ["own", "client_eof backend_eof client_reset backend_reset"],
  ["close", "http_malformed http_timeout"],
];

Deno.test("REASON_NAMES keeps the number of every reason when others are appended", () => {
  const names = EXPECTED.flatMap(([, names]) => names.split(" "));
  assert.deepEqual(REASON_NAMES.slice(0, names.length), names);
});

Deno.test("REASONS says how each connection ends", () => {
  for (const [name, meaning] of Object.entries(REASONS)) {
    const [ending] = EXPECTED.find(([, names]) => names.split(" ").includes(name)) ?? [];
    assert.equal(meaning.ending, ending, name);
  }
});

Deno.test("REASONS has the TLS alert that RFC 8446 gives to each refusal", () => {
  const alerts = Object.entries(REASONS).flatMap(([name, meaning]) =>
    "alert" in meaning ? [`${name} ${meaning.alert}`] : []
  );
  assert.deepEqual(alerts, [
    "unknown_name 112",
    "no_name 112",
    "hello_malformed 50",
    "hello_too_large 22",
    "dial_failed 80",
    "dial_timeout 80",
    "no_alpn 120",
    "certificate_unusable 80",
  ]);
});
