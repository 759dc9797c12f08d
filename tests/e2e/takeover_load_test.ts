/**
 * Goal: takeovers under load cut no established stream. A new connection can be lost, when it waits in the queue of a
 * socket that closes and net.ipv4.tcp_migrate_req is 0: those are counted and printed. With 1 none is lost.
 * Method: the scenario of `takeover_load.ts`, in a network namespace of its own, where the sysctl can be set without
 * touching the machine's.
 *
 * @module
 */

import assert from "node:assert/strict";
import { runCommand } from "../support/command.ts";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { load, type LoadReport } from "./takeover_load.ts";

/** Far more than it takes. */
const LOAD_MS_MAX = 600_000;
const TAKEOVERS = Deno.env.has("MC_PROXY_TEST_FULL") ? 12 : 1;
const SCENARIO = new URL("./takeover_load.ts", import.meta.url).pathname;

/** Runs the scenario in a network of its own; `undefined` where this machine doesn't let us. */
async function loadApart(migrateRequests: 0 | 1): Promise<LoadReport | undefined> {
  if (Deno.uid() !== 0 || !["unshare", "ip", "sysctl"].every((name) => hasProgram(name))) return undefined;
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", SCENARIO, `${TAKEOVERS}`];
  const script = 'ip link set lo up && sysctl -qw "net.ipv4.tcp_migrate_req=$0" && echo ours && exec "$@"';
  const args = ["-n", "sh", "-c", script, `${migrateRequests}`, ...deno];
  const { code, out, err } = await runCommand("unshare", args, { signal: AbortSignal.timeout(LOAD_MS_MAX) });
  const [first, last] = out.trim().split("\n").filter(Boolean);
  if (first !== "ours") return undefined;
  assert.equal(code, 0, err);
  return JSON.parse(last!);
}

function tell(what: string, { takeovers, streams, cut, connections, refused, reset }: LoadReport): void {
  print(
    `${what}: ${takeovers} takeovers, ${cut} of ${streams} streams cut, of ${
      connections + refused + reset
    } new ` +
      `connections ${refused} refused and ${reset} reset`,
  );
}

for (const migrateRequests of [0, 1] as const) {
  const sysctl = `tcp_migrate_req = ${migrateRequests}`;
  Deno.test(`takeovers under load cut no stream; ${sysctl}`, async () => {
    const apart = await loadApart(migrateRequests);
    if (apart === undefined) {
      print(`${sysctl}: not set, for want of a network namespace: run as the machine is`);
    }
    const report = apart ?? await load(TAKEOVERS);
    tell(apart === undefined ? "sysctl as it is" : sysctl, report);
    assert.deepEqual([report.cut, report.others], [0, []]);
    assert.ok(report.connections > report.takeovers * 10);
    if (apart !== undefined && migrateRequests === 1) {
      assert.deepEqual([report.refused, report.reset], [0, 0]);
    }
  });
}
