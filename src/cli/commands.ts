/**
 * The commands, each with what it reads and prints. Each loads what it needs by itself: `check` doesn't wait for the
 * server's code.
 *
 * @module
 */

import { ConfigError } from "../config/issue.ts";
import { loadConfig } from "../config/load.ts";
import { configurationOfSeed } from "../store/seed.ts";
import type { CommandOf } from "./args.ts";
import { reportCheck } from "./check_report.ts";
import { printableDeep } from "../wire/printable.ts";
import { fileFindings } from "./file_findings.ts";
import { hasErrors } from "./finding.ts";
import type { Output } from "./output.ts";
import { fileLimitFindings } from "./process_findings.ts";
import { renderCheck, renderJson, renderSnapshot, renderVersion } from "./render.ts";
import { VERSION } from "./version.ts";

/** Starts the proxy and waits for its end. */
export async function server(commandLine: CommandOf<"server">): Promise<number> {
  const { command: _, ...options } = commandLine;
  const config = await loadConfig(options.configPath);
  const { serve } = await import("../daemon.ts");
  return await serve(config, options);
}

/** Says what would be served, and whether the files that it needs are of use: exit 1 when one isn't. With `json` the mistakes are printed as JSON, too. */
export async function check(commandLine: CommandOf<"check">, output: Output): Promise<number> {
  const { configPath, json } = commandLine;
  try {
    const config = await loadConfig(configPath);
    const configuration = configurationOfSeed(config.seed);
    const findings = [
      ...await fileLimitFindings(config.settings, undefined),
      ...await fileFindings(config.settings, configuration, Date.now()),
    ];
    const problems = findings.filter(({ level }) => level !== "ok");
    const report = reportCheck(configPath, config, await exists(config.settings.databasePath), problems);
    await output.out(json ? renderJson(report) : renderCheck(printableDeep(report)));
    return hasErrors(problems) ? 1 : 0;
  } catch (error) {
    if (json && error instanceof ConfigError) {
      await output.out(renderJson({ file: error.file, issues: error.issues }));
    }
    throw error;
  }
}

/** Copies the database, and removes old copies only when the new one is verified. */
export async function snapshot(commandLine: CommandOf<"snapshot">, output: Output): Promise<number> {
  const { settings } = await loadConfig(commandLine.configPath);
  const { takeSnapshot } = await import("../store/snapshot.ts");
  const { path, sizeBytes, revision } = await takeSnapshot(
    settings.databasePath,
    commandLine.outPath,
    new Date(),
  );
  const removed = commandLine.keep === undefined
    ? []
    : await (await import("../store/snapshot_pruning.ts")).pruneSnapshots(
      settings.databasePath,
      path,
      commandLine.keep,
    );
  const report = { path, size_bytes: sizeBytes, revision, removed };
  await output.out(commandLine.json ? renderJson(report) : renderSnapshot(report));
  return 0;
}

/** Prints the versions. */
export async function version(commandLine: CommandOf<"version">, output: Output): Promise<number> {
  const report = { mc_proxy: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 };
  await output.out(commandLine.json ? renderJson(report) : renderVersion(report));
  return 0;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
