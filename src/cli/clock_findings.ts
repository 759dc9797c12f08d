/**
 * Whether the clock can be relied on: certificates, expiring rules and snapshots stand on it.
 *
 * @module
 */

import { clockErrorMs } from "../net/native.ts";
import { error, type Finding, ok, warning } from "./finding.ts";

/** A file from later than this is from the future. */
const SKEW_MS = 60_000;

/** As systemd counts it: a clock that may be wrong by so much is kept right by nobody. */
const CLOCK_ERROR_MS = 16_000;

/**
 * Asks the kernel whether the clock is kept right, and compares it with the times of files.
 *
 * @param paths files that this host has written; those that aren't there don't count @param nowMs Unix ms
 * @param errorMs says how wrong the clock may be; `undefined` = the kernel doesn't say
 */
export async function clockFindings(
  paths: readonly string[],
  nowMs: number,
  errorMs: () => number | undefined = clockErrorMs,
): Promise<Finding[]> {
  const findings = [keptFinding(new Date(nowMs).toISOString(), errorMs())];
  for (const path of paths) {
    const timeMs = (await Deno.stat(path).catch(() => undefined))?.mtime?.getTime() ?? 0;
    if (timeMs <= nowMs + SKEW_MS) continue;
    const seconds = Math.round((timeMs - nowMs) / 1_000);
    findings.push(
      error("clock", `"${path}" was written ${seconds} s in the future: the clock is wrong, or was then`),
    );
  }
  return findings;
}

function keptFinding(now: string, errorMs: number | undefined): Finding {
  if (errorMs === undefined) {
    return warning("clock", `${now}; the kernel doesn't say whether it is kept right`);
  }
  if (errorMs < CLOCK_ERROR_MS) return ok("clock", `${now}, synchronised`);
  return warning("clock", `${now}, not synchronised: does a time service run (chronyd, systemd-timesyncd)?`);
}
