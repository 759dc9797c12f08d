/**
 * What Linux says about processes: children, open descriptors, memory, CPU time. Needs `--allow-all`, because the
 * runtime guards /proc with it.
 *
 * @module
 */

/** CPU seconds of one process, its ended and reaped children included. */
export interface CpuTime {
  readonly userSeconds: number;
  readonly systemSeconds: number;
}

/** USER_HZ, the unit of /proc/PID/stat: 100 on every Linux that we run on (proc(5), sysconf(3)). */
const TICKS_PER_SECOND = 100;

/** Process ids of `pid`'s children, oldest first; empty when it has none or is gone. */
export function childrenOf(pid: number): number[] {
  const text = readProc(`/proc/${pid}/task/${pid}/children`) ?? "";
  const threads = [...readProcFolder(`/proc/${pid}/task`)].filter((thread) => thread !== `${pid}`);
  const others = threads.map((thread) => readProc(`/proc/${pid}/task/${thread}/children`) ?? "");
  return `${text} ${others.join(" ")}`.split(/\s+/).filter(Boolean).map(Number).toSorted((a, b) => a - b);
}

/** `pid` and all that descend from it. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** The command line; empty for a process that is gone or a zombie. */
export function commandLine(pid: number): string[] {
  return (readProc(`/proc/${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
}

/** Whether the process runs; a zombie doesn't. */
export function isAlive(pid: number): boolean {
  const stat = readProc(`/proc/${pid}/stat`);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

/** Number of open descriptors; 0 when the process is gone. */
export function descriptorCount(pid: number): number {
  return [...readProcFolder(`/proc/${pid}/fd`)].length;
}

/** What each open descriptor is (`socket:[123]`, a path, `/memfd:name (deleted)`), by number. */
export function descriptors(pid: number): Map<number, string> {
  const targets = new Map<number, string>();
  for (const name of readProcFolder(`/proc/${pid}/fd`)) {
    try {
      targets.set(Number(name), Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
    } catch {
      // Closed since the folder was read.
    }
  }
  return targets;
}

/** Proportional set size in KiB (proc(5), smaps_rollup); 0 when the process is gone. */
export function pssKib(pid: number): number {
  const match = /^Pss:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? "");
  return Number(match?.[1] ?? 0);
}

/**
 * Memory that isn't a file's (proc(5), smaps_rollup, Anonymous): heaps and stacks, in KiB; 0 when the process is gone.
 * For growth: a process's share of the program's own pages changes with every other process that runs the program.
 */
export function anonymousKib(pid: number): number {
  const match = /^Anonymous:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? "");
  return Number(match?.[1] ?? 0);
}

/** CPU time so far; zeros when the process is gone. */
export function cpuTime(pid: number): CpuTime {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return { userSeconds: 0, systemSeconds: 0 };
  // The second field, the name in parentheses, may hold blanks; utime is the 14th field, cutime the 16th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const seconds = (own: number, reaped: number) =>
    (fields[own - 3]! + fields[reaped - 3]!) / TICKS_PER_SECOND;
  return { userSeconds: seconds(14, 16), systemSeconds: seconds(15, 17) };
}

/** Resolves when `pid` no longer runs, looking every 5 ms; rejects with a TimeoutError. */
export async function gone(pid: number, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(pid)) {
    if (performance.now() > deadline) {
      throw new DOMException(`process ${pid} still runs after ${timeoutMs} ms`, "TimeoutError");
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Sends a signal, to a process that may be gone already. A negative `pid` means the process group. */
export function signalProcess(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

function readProc(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || isNoSuchProcess(error)) return undefined;
    throw error;
  }
}

function readProcFolder(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || isNoSuchProcess(error)) return [];
    throw error;
  }
}

function isNoSuchProcess(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ESRCH";
}
