/**
 * The files of `src/` that no test of the mirroring folder in `tests/` reaches through their neighbours.
 *
 * @module
 */

/** By file: the test that reaches it, and why its tests belong there. */
export const TESTED_ELSEWHERE: Readonly<Record<string, readonly [test: string, why: string]>> = {
  "src/control/fault_input.ts": ["tests/e2e/faults_test.ts", "reads the program's own standard input"],
  "src/control/supervisor.ts": ["tests/control/supervisor_test.ts", "made by workers.ts beside it"],
  "src/daemon.ts": ["tests/e2e/signals_test.ts", "is the running program"],
  "src/proxy/faults.ts": ["tests/e2e/faults_test.ts", "ends the process, or tries what only a worker can't"],
  "src/proxy/worker.ts": ["tests/e2e/workers_test.ts", "gives up its process's permissions"],
};
