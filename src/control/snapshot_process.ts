/**
 * A snapshot taken by another process of this program: a large database's copy must not hold this one's loop.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { programCommand } from "./program.ts";
import { Turns } from "./turns.ts";

/** What was made. */
export interface SnapshotReport {
  /** The copy's file. */
  readonly path: string;
  /** Its size. */
  readonly sizeBytes: number;
  /** The revision that it holds. */
  readonly revision: number;
}

/** Takes snapshots one after the other: as many processes as clients ask for would have the host to themselves. */
export class SnapshotQueue {
  readonly #take: typeof takeSnapshotApart;
  readonly #turns = new Turns();

  /** Nothing is taken yet. @param take Default: {@linkcode takeSnapshotApart} */
  constructor(take: typeof takeSnapshotApart = takeSnapshotApart) {
    this.#take = take;
  }

  /** As {@linkcode takeSnapshotApart}, when those asked for before are over. @throws the signal's reason likewise */
  take(configPath: string, outPath: string | undefined, signal: AbortSignal): Promise<SnapshotReport> {
    return this.#turns.run(() => {
      signal.throwIfAborted();
      return this.#take(configPath, outPath, signal);
    });
  }
}

/**
 * Copies the database of a configuration.
 *
 * @param configPath the TOML file @param outPath absent = a name with the time @param signal ends it
 * @throws ProxyError with the sentence that the other process said
 */
export async function takeSnapshotApart(
  configPath: string,
  outPath: string | undefined,
  signal: AbortSignal,
): Promise<SnapshotReport> {
  const out = outPath === undefined ? [] : ["--out", outPath];
  const { path, args, env } = programCommand(["snapshot", "-c", configPath, "--json", ...out]);
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args,
    env,
    clearEnv: true,
    stdin: "null",
    signal,
  }).output();
  const text = new TextDecoder();
  if (code !== 0) {
    const said = text.decode(stderr).trim().replace(/^mc-proxy: /, "").split("\n")[0] ?? "";
    throw new ProxyError("unavailable", said === "" ? `the snapshot ended with code ${code}` : said);
  }
  const report: unknown = JSON.parse(text.decode(stdout));
  const { path: made, size_bytes: sizeBytes, revision } = report as Record<string, unknown>;
  return { path: String(made), sizeBytes: Number(sizeBytes), revision: Number(revision) };
}
