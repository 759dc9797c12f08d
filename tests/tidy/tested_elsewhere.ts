/**
 * The files of `src/` that no test of the mirroring folder in `tests/` reaches through their neighbours.
 *
 * @module
 */

/** By file: the test that reaches it, and why its tests belong there. */
export const TESTED_ELSEWHERE: Readonly<Record<string, readonly [test: string, why: string]>> = {
  "src/admin/admin.ts": ["tests/e2e/admin_calls_test.ts", "it answers calls of a running server"],
  "src/admin/takeover.ts": ["tests/e2e/takeover_test.ts", "two running servers meet in it"],
  "src/admin/configuration_service.ts": [
    "tests/e2e/admin_calls_test.ts",
    "it answers calls of a running server",
  ],
  "src/admin/operation_service.ts": ["tests/e2e/admin_calls_test.ts", "it answers calls of a running server"],
  "src/admin/reflection.ts": ["tests/e2e/admin_calls_test.ts", "it answers calls of a running server"],
  "src/admin/running_plane.ts": ["tests/e2e/admin_calls_test.ts", "it answers calls of a running server"],
  "src/admin/service.ts": ["tests/e2e/admin_calls_test.ts", "it answers calls of a running server"],
  "src/admin/client_session.ts": ["tests/e2e/admin_calls_test.ts", "it speaks to a running server"],
  "src/admin/client.ts": ["tests/e2e/admin_calls_test.ts", "it connects to a running server"],
  "src/control/country_rules.ts": ["tests/e2e/admin_calls_test.ts", "the start and every change ask it"],
  "src/control/tallies.ts": ["tests/e2e/admin_calls_test.ts", "it looks at a running server's memory"],
  "src/control/fault_input.ts": ["tests/e2e/faults_test.ts", "reads the program's own standard input"],
  "src/control/supervisor.ts": ["tests/control/supervisor_test.ts", "made by workers.ts beside it"],
  "src/daemon.ts": ["tests/e2e/signals_test.ts", "is the running program"],
  "src/daemon/parts.ts": ["tests/e2e/signals_test.ts", "is the running program"],
  "src/daemon/server.ts": ["tests/e2e/signals_test.ts", "is the running program"],
  "src/proxy/faults.ts": ["tests/e2e/faults_test.ts", "ends the process, or tries what only a worker can't"],
  "src/proxy/stall_watch.ts": ["tests/e2e/stalled_reset_test.ts", "needs two stalled kernels' buffers"],
  "src/proxy/worker.ts": ["tests/e2e/workers_test.ts", "gives up its process's permissions"],
};
