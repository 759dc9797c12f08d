import assert from "node:assert/strict";

import { COUNTER, phaseBucket, phaseSum, reasonCounter, requestCounter } from "../../src/observe/counters.ts";
import { listenerGauge, sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import { renderMetrics } from "../../src/observe/metrics.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";

Deno.test("renderMetrics() writes what was counted with its labels", () => {
  const memory = new SharedMemory(new ArrayBuffer(sharedMemoryBytes(2)), 2);
  const [first, second] = memory.columns;
  first!.count(reasonCounter(3, "client_eof"), 2);
  second!.count(reasonCounter(3, "client_eof"), 5);
  second!.acquire(listenerGauge(3), 0);
  first!.count(requestCounter(7, 204));
  first!.count(phaseBucket("hello", 4));
  first!.count(phaseSum("hello"), 4);
  memory.main.count(COUNTER.certificateReloadFailures);
  second!.lagMs = 1_500;
  const text = renderMetrics(memory, {
    listeners: [{ name: "[::]:443", slot: 3 }],
    routes: [{ name: '[::]:443 "a"', slot: 7, certificateEndMs: 61_000 }],
    revision: 9,
    generation: 4,
    workerRestarts: 1,
    geoipBuiltMs: undefined,
    nowMs: 1_000,
  });
  for (
    const line of [
      'mcproxy_connections_total{listener="[::]:443",reason="client_eof"} 7',
      'mcproxy_connections_open{listener="[::]:443",worker="0"} 0',
      'mcproxy_connections_open{listener="[::]:443",worker="1"} 1',
      'mcproxy_bytes_total{listener="[::]:443",direction="sent"} 0',
      'mcproxy_requests_total{route="[::]:443 \\"a\\"",class="2xx"} 1',
      'mcproxy_phase_seconds_bucket{phase="hello",le="0.002"} 0',
      'mcproxy_phase_seconds_bucket{phase="hello",le="0.005"} 1',
      'mcproxy_phase_seconds_bucket{phase="hello",le="+Inf"} 1',
      'mcproxy_phase_seconds_sum{phase="hello"} 0.004',
      'mcproxy_phase_seconds_count{phase="hello"} 1',
      'mcproxy_certificate_expiry_seconds{route="[::]:443 \\"a\\""} 60',
      'mcproxy_reload_failures_total{what="certificate"} 1',
      'mcproxy_event_loop_lag_seconds{process="main"} 0',
      'mcproxy_event_loop_lag_seconds{process="1"} 1.5',
      "mcproxy_config_revision 9",
      "mcproxy_worker_restarts_total 1",
    ]
  ) {
    assert.ok(text.split("\n").includes(line), line);
  }
  assert.doesNotMatch(text, /reason="killed"|NaN|undefined/);
  for (const line of text.trimEnd().split("\n")) {
    assert.match(line, /^(# (HELP|TYPE) mcproxy_\w+ .+|mcproxy_\w+(\{\w+="[^\n]*"\})? -?[\d.e+-]+)$/);
  }
});
