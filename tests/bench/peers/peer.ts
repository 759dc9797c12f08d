/**
 * What is measured: a proxy that forwards by SNI, started on a configuration of three routes.
 *
 * @module
 */

import { cpuTime, gone, processTree, pssKib, signalProcess } from "../../support/processes.ts";
import { freePort } from "../../support/ports.ts";

/** Routes by server name: the backend's port on 127.0.0.1. */
export type Routes = Readonly<Record<string, number>>;

/** What a peer is told before it starts. */
export interface PeerOptions {
  /** A folder of its own for configuration, log and database. */
  readonly folder: string;
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
  readonly routes: Routes;
  /** Worker processes or threads. */
  readonly workers: number;
}

/** A proxy that can take part. */
export interface Peer {
  readonly name: string;
  /** One line: version, workers and log settings; undefined when it is not installed. */
  describe(workers: number): Promise<string | undefined>;
  /** Writes its files and says what to execute; standard output goes to `log` in the folder. */
  prepare(options: PeerOptions): Promise<readonly string[]>;
}

/** A started peer. Disposal ends it and everything that it started. */
export interface RunningPeer extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** From spawn to the first whole answer through it, in ms. */
  readonly startMs: number;
  /** CPU seconds so far of all of its processes. */
  cpuSeconds(): number;
  /** Proportional set size of all of its processes, in KiB. */
  pssKib(): number;
}

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 4_000;

/** Starts `peer` and waits until `probe` has succeeded through it. */
export async function startPeer(
  peer: Peer,
  options: Omit<PeerOptions, "folder" | "port">,
  probe: (port: number) => Promise<boolean>,
): Promise<RunningPeer> {
  const folder = await Deno.makeTempDir({ prefix: `mc-proxy-bench-${peer.name.toLowerCase()}-` });
  await Deno.chmod(folder, 0o755);
  const port = freePort();
  const command = await peer.prepare({ ...options, folder, port });
  const start = performance.now();
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$@" >"$0" 2>&1', `${folder}/log`, ...command],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const stop = async () => {
    await end(child);
    await Deno.remove(folder, { recursive: true });
  };
  let ended = false;
  child.status.then(() => ended = true);
  while (!await probe(port)) {
    if (ended || performance.now() - start > START_TIMEOUT_MS) {
      const log = await Deno.readTextFile(`${folder}/log`);
      await stop();
      throw new Error(`${peer.name} does not serve:\n${log.slice(-4_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const startMs = performance.now() - start;
  return { name: peer.name, port, startMs, ...readings(child.pid), [Symbol.asyncDispose]: stop };
}

/** The first line that `command` prints on either output; undefined when it isn't installed. */
export async function firstLine(path: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await new Deno.Command(path, { args: [...args] }).output();
    return new TextDecoder().decode(Uint8Array.of(...stdout, ...stderr)).split("\n")[0];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function readings(pid: number): Pick<RunningPeer, "cpuSeconds" | "pssKib"> {
  const sum = (reading: (pid: number) => number) => () =>
    processTree(pid).reduce((total, each) => total + reading(each), 0);
  return {
    cpuSeconds: sum((each) => cpuTime(each).userSeconds + cpuTime(each).systemSeconds),
    pssKib: sum(pssKib),
  };
}

async function end(child: Deno.ChildProcess): Promise<void> {
  const pids = processTree(child.pid);
  signalProcess(child.pid, "SIGTERM");
  const killer = setTimeout(() => pids.forEach((pid) => signalProcess(pid, "SIGKILL")), STOP_TIMEOUT_MS);
  await child.status;
  await Promise.all(pids.map((pid) => gone(pid)));
  clearTimeout(killer);
}
