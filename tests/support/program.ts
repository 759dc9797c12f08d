/**
 * The real program as a child process: started with its real flags, its log read line by line, its workers found,
 * its end awaited; whatever is left of it is killed on disposal.
 *
 * @module
 */

import { type Arrivals, arrivals } from "./arrivals.ts";
import { LineReader } from "./line_reader.ts";
import { anonymousKib, childrenOf, commandLine, gone, processTree, signalProcess } from "./processes.ts";
import { type ProgramCommand, programCommand, PROJECT_FOLDER } from "./program_command.ts";

/** One line of the program's JSON log. */
export type LogEvent = Readonly<Record<string, unknown>>;

/** How a program is started. */
export interface ProgramOptions {
  /** The program itself; default: {@linkcode programCommand}. */
  readonly command?: ProgramCommand;
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** RLIMIT_NOFILE of the program, soft and hard. Absent = inherited. */
  readonly descriptorsMax?: number;
  /** How long to wait for readiness, in ms. Default 20,000, for machines under load. */
  readonly readyTimeoutMs?: number;
}

/** What a finished program said and how it ended. */
export interface Completed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The log line that says that every listener is served: `{"event":"ready","listeners":[{"id","addr"}]}`. */
const READY = "ready";
const EVENT_TIMEOUT_MS = 10_000;

/** Starts `server -c configPath` and waits until it is ready; rejects with its output when it ends before. */
export async function startServer(
  configPath: string,
  options: ProgramOptions & { readonly args?: readonly string[] } = {},
): Promise<Program> {
  const program = new Program(["server", "-c", configPath, ...options.args ?? []], options);
  try {
    await program.ready(options.readyTimeoutMs);
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs the program to its end. */
export async function runProgram(args: readonly string[], options: ProgramOptions = {}): Promise<Completed> {
  await using program = new Program(args, options);
  return await program.completed();
}

/** Thrown when the program ends while something else is awaited. */
export class ProgramEnded extends Error {
  /** @param completed what it said and how it ended */
  constructor(readonly completed: Completed) {
    const { code, stdout, stderr } = completed;
    super(`the program ended with code ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
    this.name = "ProgramEnded";
  }
}

/** A running program. It leads its own process group, as in a terminal. */
export class Program implements AsyncDisposable {
  /** The main process. */
  readonly pid: number;
  /** Every JSON line of its standard output so far, oldest first. */
  readonly events: LogEvent[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #stdout: LineReader;
  readonly #stderr: LineReader;
  readonly #arrivals: Arrivals = arrivals();
  readonly #seen = new Set<number>();
  #completed: Completed | undefined;
  readonly #ended: Promise<Completed>;

  /** Starts the program with `args`. */
  constructor(args: readonly string[], options: ProgramOptions = {}) {
    const command = options.command ?? programCommand();
    this.#child = spawn(command, args, options);
    this.pid = this.#child.pid;
    this.#stdout = new LineReader(this.#child.stdout, (line) => this.#take(line));
    this.#stderr = new LineReader(this.#child.stderr, () => this.#arrivals.notify());
    this.#ended = this.#end();
  }

  /** Waits for the line that says that every listener is served, JSON or text. */
  async ready(timeoutMs = 20_000): Promise<void> {
    await this.#until(
      () =>
        this.events.some((event) => event["event"] === READY) || /^\S+ INFO ready /m.test(this.output.stdout),
      "line that says ready",
      timeoutMs,
    );
    this.workers();
  }

  /** Waits until standard output as a whole matches; for text that isn't JSON. Rejects like {@linkcode event}. */
  async printed(pattern: RegExp, timeoutMs = EVENT_TIMEOUT_MS): Promise<RegExpExecArray> {
    return await this.#until(() => pattern.exec(this.output.stdout), `output like ${pattern}`, timeoutMs);
  }

  /**
   * The first event from index `from` on (0 = the first ever; `events.length` = only later ones) that `matches`,
   * now or when it comes. Rejects with {@linkcode ProgramEnded}, or with a TimeoutError that shows the log's end.
   */
  async event(
    matches: (event: LogEvent) => boolean,
    timeoutMs = EVENT_TIMEOUT_MS,
    from = 0,
  ): Promise<LogEvent> {
    let next = from;
    const look = () => {
      for (; next < this.events.length; next++) if (matches(this.events[next]!)) return this.events[next];
      return undefined;
    };
    return await this.#until(look, "such event", timeoutMs);
  }

  /** The next event of one connection (`"event":"connection"`) that has all of `fields`. */
  connectionEvent(fields: LogEvent = {}, timeoutMs = EVENT_TIMEOUT_MS, from = 0): Promise<LogEvent> {
    const all = Object.entries({ event: "connection", ...fields });
    return this.event((event) => all.every(([key, value]) => event[key] === value), timeoutMs, from);
  }

  /** Everything written to standard output and standard error so far. */
  get output(): { readonly stdout: string; readonly stderr: string } {
    return { stdout: this.#stdout.text, stderr: this.#stderr.text };
  }

  /** Stops reading standard output, so that its pipe fills, until the answer is disposed of. */
  holdOutput(): Disposable {
    return this.#stdout.hold();
  }

  /** Process ids of the workers, oldest first. */
  workers(): number[] {
    const workers = childrenOf(this.pid).filter((pid) => commandLine(pid).includes("worker"));
    for (const pid of workers) this.#seen.add(pid);
    return workers;
  }

  /** What main and all of its children hold in memory that isn't a file's, in KiB. */
  anonymousKib(): number {
    return processTree(this.pid).reduce((sum, pid) => sum + anonymousKib(pid), 0);
  }

  /** Sends a signal to the main process alone. */
  signal(signal: Deno.Signal): void {
    signalProcess(this.pid, signal);
  }

  /** Sends a signal to the process group, as a terminal does for Ctrl-C. */
  signalGroup(signal: Deno.Signal): void {
    signalProcess(-this.pid, signal);
  }

  /** Waits for the end, both outputs read to theirs. Rejects with a TimeoutError. */
  async completed(timeoutMs = 60_000): Promise<Completed> {
    const ended = await this.#arrivals.until(() => this.#completed, timeoutMs);
    if (ended !== undefined) return ended;
    throw new DOMException(`the program still runs after ${timeoutMs} ms\n${this.#tail()}`, "TimeoutError");
  }

  /** Kills main, all that descends from it and every worker ever seen, and waits until all are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const workers = [...this.#seen].filter((pid) => commandLine(pid).includes("worker"));
    const pids = new Set([...processTree(this.pid), ...workers].flatMap(processTree));
    pids.delete(this.pid);
    if (this.#completed === undefined) signalProcess(-this.pid, "SIGKILL");
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    this.#stdout.release();
    await this.#ended;
    await Promise.all([...pids].map((pid) => gone(pid)));
  }

  #take(line: string): void {
    if (line.startsWith("{")) {
      try {
        this.events.push(JSON.parse(line));
      } catch {
        // Not of the log; `output` has it.
      }
    }
    this.#arrivals.notify();
  }

  async #end(): Promise<Completed> {
    const [{ code }] = await Promise.all([this.#child.status, this.#stdout.done, this.#stderr.done]);
    this.#completed = { code, ...this.output };
    this.#arrivals.notify();
    return this.#completed;
  }

  async #until<T>(look: () => T | undefined | null | false, what: string, timeoutMs: number): Promise<T> {
    const found = await this.#arrivals.until(() => {
      const value = look();
      if (value) return { value };
      if (this.#completed !== undefined) throw new ProgramEnded(this.#completed);
      return undefined;
    }, timeoutMs);
    if (found !== undefined) return found.value;
    throw new DOMException(`no ${what} in ${timeoutMs} ms\n${this.#tail()}`, "TimeoutError");
  }

  #tail(): string {
    const { stdout, stderr } = this.output;
    return `--- end of stdout\n${stdout.slice(-4_000)}\n--- end of stderr\n${stderr.slice(-4_000)}`;
  }
}

function spawn(command: ProgramCommand, args: readonly string[], options: ProgramOptions): Deno.ChildProcess {
  const words = [command.path, ...command.args, ...args];
  const limited = options.descriptorsMax === undefined
    ? words
    : ["/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"', `${options.descriptorsMax}`, ...words];
  return new Deno.Command(limited[0]!, {
    args: limited.slice(1),
    cwd: PROJECT_FOLDER,
    env: { NO_COLOR: "1", ...options.env },
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
