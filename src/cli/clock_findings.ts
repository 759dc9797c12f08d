/**
 * Whether the clock can be relied on: certificates, expiring rules and snapshots stand on it.
 *
 * @module
 */

import { error, type Finding, ok, warning } from "./finding.ts";

/** A file from later than this is from the future. */
const SKEW_MS = 60_000;

/**
 * Asks whether the clock is kept right, and compares it with the times of files.
 *
 * @param paths files that this host has written; those that aren't there don't count @param nowMs Unix ms
 */
export async function clockFindings(paths: readonly string[], nowMs: number): Promise<Finding[]> {
  const isSynchronised = await asksTimedatectl();
  const findings: Finding[] = [
    isSynchronised === undefined
      ? ok(
        "clock",
        `${new Date(nowMs).toISOString()}; whether NTP keeps it can't be told here: timedatectl doesn't say`,
      )
      : isSynchronised
      ? ok("clock", `${new Date(nowMs).toISOString()}, synchronised`)
      : warning("clock", `${new Date(nowMs).toISOString()}, not synchronised: see timedatectl status`),
  ];
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

/** Undefined where systemd doesn't say. */
async function asksTimedatectl(): Promise<boolean | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("timedatectl", {
      args: ["show", "--property=NTPSynchronized", "--value"],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(2_000),
    }).output();
    const said = new TextDecoder().decode(stdout).trim();
    return success && (said === "yes" || said === "no") ? said === "yes" : undefined;
  } catch {
    return undefined;
  }
}
