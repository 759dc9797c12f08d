/**
 * One worker process as the main process sees it.
 *
 * @module
 */

import { LineWriter, readLines } from "../proxy/lines.ts";
import { type FromWorker, LINE_BYTES_MAX, parseFromWorker, type ToWorker } from "../proxy/messages.ts";
import { type Preparation, prepareMessages } from "../proxy/preparation.ts";
import type { ProgramCommand } from "./program.ts";

/** What may wait for a worker to read it: a state of 100,000 rules and more. */
const INPUT_BYTES_MAX = 256 * 1024 * 1024;
const STDERR_LINE_BYTES_MAX = 65_536;

/** Which state a worker serves. */
export interface ServedNumbers {
  /** Number of the configuration. */
  readonly revision: number;
  /** Of the files under it. */
  readonly generation: number;
}

/** What a worker's owner is told. */
export interface WorkerHandler {
  /** A valid message. */
  message(message: FromWorker, worker: WorkerProcess): void;
  /** A line on its stderr: console output, the runtime's last words. */
  stderr(line: string, worker: WorkerProcess): void;
  /** The process has ended and everything it said was handed on; the last call. */
  ended(status: Deno.CommandStatus, worker: WorkerProcess): void;
}

/** A running worker. */
export class WorkerProcess {
  /** Its column of the shared memory. */
  readonly column: number;
  /** The kernel's number; it means another process once `ended` was called. */
  readonly pid: number;
  /** The state that it has said it serves; absent = none yet. */
  serves: ServedNumbers | undefined;
  /** Set when it is let serve its first state: from then on every change asks it, too. */
  hasJoined = false;
  /** Set when it was asked to go: its end is no failure. */
  isLeaving = false;
  readonly #child: Deno.ChildProcess;
  readonly #input: LineWriter;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  /** Whether it serves any state. */
  get isServing(): boolean {
    return this.serves !== undefined;
  }

  /** Starts the process in a group of its own: a terminal's Ctrl-C must not reach it. */
  constructor(command: ProgramCommand, column: number, handler: WorkerHandler) {
    const { path, args, env } = command;
    this.column = column;
    this.#child = new Deno.Command(path, {
      args,
      env,
      clearEnv: true,
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#writer = this.#child.stdin.getWriter();
    this.#input = new LineWriter({
      write: async (bytes) => {
        await this.#writer.write(bytes);
        return bytes.length;
      },
    }, INPUT_BYTES_MAX);
    void this.#follow(handler);
  }

  /** Sends a message. A worker that has ended doesn't get it, and `ended` is told anyway. */
  send(message: ToWorker): void {
    this.#input.write(JSON.stringify(message));
  }

  /** Sends a state to prepare, in parts. */
  prepare(preparation: Preparation): void {
    for (const part of prepareMessages(preparation)) this.send(part);
  }

  /** Ends the process now; its connections end with FIN. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #follow(handler: WorkerHandler): Promise<void> {
    await Promise.all([this.#listen(handler), this.#readStderr(handler)]);
    const status = await this.#child.status;
    await this.#writer.abort().catch(() => {});
    handler.ended(status, this);
  }

  async #listen(handler: WorkerHandler): Promise<void> {
    try {
      for await (const line of readLines(this.#child.stdout, LINE_BYTES_MAX)) {
        const message = parseFromWorker(line);
        if (message === undefined) throw new RangeError("not a message");
        handler.message(message, this);
      }
    } catch (error) {
      handler.stderr(`said what is no message: ${String(error)}`, this);
      this.kill();
    }
  }

  async #readStderr(handler: WorkerHandler): Promise<void> {
    try {
      for await (const line of readLines(this.#child.stderr, STDERR_LINE_BYTES_MAX)) {
        handler.stderr(line, this);
      }
    } catch (error) {
      handler.stderr(`stderr ended: ${String(error)}`, this);
      await this.#child.stderr.cancel().catch(() => {});
    }
  }
}
