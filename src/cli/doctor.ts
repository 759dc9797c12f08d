/**
 * `mc-proxy doctor`: everything that a host, a configuration and a running server can have wrong, looked at once.
 * Changes nothing and disturbs nobody.
 *
 * @module
 */

import { loadConfig } from "../config/load.ts";
import type { BootConfig } from "../config/parse.ts";
import { effectiveLimits } from "../control/effective_limits.ts";
import { loadNative } from "../net/native.ts";
import { parseListenAddress } from "../state/listen_address.ts";
import { lockHolder } from "../store/lock.ts";
import { configurationOfSeed } from "../store/seed.ts";
import { withServer } from "./admin_connection.ts";
import { durationMsOf } from "./admin_options.ts";
import type { CommandOf } from "./args.ts";
import { clockFindings } from "./clock_findings.ts";
import { databaseFindings, snapshotFinding, type SnapshotOptions } from "./data_findings.ts";
import { fileFindings } from "./file_findings.ts";
import { error, type Finding, hasErrors, ok, renderFindings, warning } from "./finding.ts";
import { backendFindings } from "./network_findings.ts";
import type { Output } from "./output.ts";
import { fileLimitFindings, portFindings } from "./process_findings.ts";
import { renderJson } from "./render.ts";
import { Unreachable } from "./unreachable.ts";
import { messageOf, ProxyError } from "../errors.ts";
import { printableDeep } from "../wire/printable.ts";

/** How old the newest snapshot may be, when nothing is said: a day that was missed. */
const SNAPSHOT_AGE = "48h";

/** Looks at everything. @returns the exit code: 1 when something is wrong @throws ProxyError config */
export async function doctor(asked: CommandOf<"doctor">, output: Output): Promise<number> {
  const config = await loadConfig(asked.configPath);
  const { snapshots: folder, snapshotMaxAge = SNAPSHOT_AGE } = asked.options;
  const findings = await examine(asked, config, {
    ...(folder !== undefined && { folder: String(folder) }),
    ageMaxMs: durationMsOf(snapshotMaxAge, "--snapshot-max-age"),
  });
  const isWrong = hasErrors(findings);
  await output.out(
    asked.json ? renderJson({ is_well: !isWrong, findings }) : renderFindings(printableDeep(findings)),
  );
  return isWrong ? 1 : 0;
}

async function examine(
  asked: CommandOf<"doctor">,
  { settings, seed, warnings }: BootConfig,
  snapshots: SnapshotOptions,
): Promise<Finding[]> {
  loadNative();
  const nowMs = Date.now();
  const { databasePath } = settings;
  const pid = await lockHolder(databasePath);
  const server = await serverFindings(asked, settings.grpc !== undefined, pid);
  const database = await databaseFindings(databasePath, pid !== undefined);
  // The database rules once it is there.
  const configuration = database.configuration ?? configurationOfSeed(seed);
  // A Unix socket is no address of this kind.
  const admin = settings.grpc && parseListenAddress(settings.grpc.addr);
  const addresses = [...configuration.listeners.map(({ address }) => address), ...admin ? [admin] : []];
  const files = [asked.configPath, databasePath, `${databasePath}-wal`, `${databasePath}.lock`];
  return [
    ok("configuration", `"${asked.configPath}" has no mistakes`),
    ...warnings.map((each) => warning("configuration", each)),
    ...server,
    ...await fileLimitFindings(settings, pid),
    ...await portFindings(addresses, pid),
    ...database.findings,
    await snapshotFinding(databasePath, snapshots, nowMs),
    ...await fileFindings(settings, configuration, nowMs),
    ...await backendFindings(configuration, effectiveLimits(settings.limits)),
    ...await clockFindings(files, nowMs),
  ];
}

/** Whether it runs, and what it says of itself. */
async function serverFindings(
  { configPath, options }: CommandOf<"doctor">,
  hasAdmin: boolean,
  pid: number | undefined,
): Promise<Finding[]> {
  if (!hasAdmin && options["addr"] === undefined) {
    return [
      pid === undefined
        ? warning("server", "not running")
        : ok("server", `process ${pid} runs; without [grpc] it can't be asked how it is`),
    ];
  }
  try {
    const { status } = await withServer({ configPath, options }, (api) => api.getStatus({}));
    const { pid: told, version, revision } = status!;
    if (status!.isHealthy) {
      return [ok("server", `process ${told} runs mc-proxy ${version}, revision ${revision}, and is healthy`)];
    }
    return status!.problems.map((problem) => error("server", problem));
  } catch (cause) {
    if (!(cause instanceof ProxyError)) throw cause;
    if (cause instanceof Unreachable && pid === undefined) return [warning("server", "not running")];
    const detail = messageOf(cause).replace("; is the server running?", "");
    return [error("server", `${pid === undefined ? "" : `process ${pid} runs, and `}${detail}`)];
  }
}
