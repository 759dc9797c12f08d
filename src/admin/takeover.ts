/**
 * The taking side of a hand-over: asks the process that serves for its place, and tells it when this one serves.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { ProxyError } from "../errors.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { type AdminClient, connectAdmin } from "./client.ts";
import type { HandoverResponse } from "./gen/mc_proxy/v1/admin_pb.ts";

/** What the other process may take to say who it is. */
const STATUS_MS = 10_000;
/** What the other process may take to let go: a change that is under way ends first. */
const RELEASE_MS = 45_000;
/** After so long without an answer that it drains `onSlow` is told. */
const SLOW_MS = 10_000;
/** What a process may take to vanish after its connection has. */
const GONE_MS = 5_000;
const LOOK_MS = 20;

/** A hand-over that was asked for. Disposal before `complete` calls it off: the other process goes on. */
export class Takeover implements AsyncDisposable {
  /** The other process. */
  readonly pid: number;
  readonly #client: AdminClient;
  readonly #answers: AsyncIterator<HandoverResponse>;
  readonly #serving: PromiseWithResolvers<void>;
  #watchdogMs: number | undefined;
  #isAlone = false;

  private constructor(pid: number, client: AdminClient, databasePath: string) {
    this.pid = pid;
    this.#client = client;
    this.#serving = Promise.withResolvers<void>();
    this.#answers = client.api.handover(requests(databasePath, this.#serving.promise))
      [Symbol.asyncIterator]();
  }

  /**
   * Asks, and waits until admin socket and database are free, or the other process has died.
   *
   * @param databasePath symbolic links resolved
   * @returns `undefined` when nobody answers at the admin socket: this one just starts
   * @throws ProxyError unavailable when the other process refuses; it goes on
   */
  static async ask(settings: GrpcSettings, databasePath: string): Promise<Takeover | undefined> {
    const client = await connectAdmin(settings).catch(() => undefined);
    if (client === undefined) return undefined;
    try {
      const { status } = await within(client.api.getStatus({}), STATUS_MS);
      const takeover = new Takeover(status?.pid ?? 0, client, databasePath);
      await takeover.#released();
      return takeover;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error instanceof ProxyError ? error : refused(undefined, error);
    }
  }

  async #released(): Promise<void> {
    try {
      const { done, value } = await within(this.#answers.next(), RELEASE_MS);
      if (done !== true && value.watchdog !== undefined) this.#watchdogMs = durationMs(value.watchdog);
    } catch (error) {
      this.#isAlone = await this.#isGone(error);
      if (!this.#isAlone) throw refused(this.pid, error);
    }
  }

  /** The other process has died before it let go. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** How often the service manager wants a sign of life, as the other process knows it. */
  get watchdogMs(): number | undefined {
    return this.#watchdogMs;
  }

  /**
   * Tells that this process serves, and waits until the other one has understood: it may have, and be unable to say
   * so, and then nobody else serves.
   *
   * @param onSlow called when there is no answer yet after 10 s
   * @returns `draining`, or `gone` when the other process has died: either way this one is the only one. `unheard` when
   * it lives and the connection is lost, as to one that hangs: it was told, and drains when it wakes
   * @throws ProxyError unavailable when the other process has called it off and goes on
   */
  async complete(onSlow: () => void): Promise<"draining" | "gone" | "unheard"> {
    if (this.#isAlone) return "gone";
    this.#serving.resolve();
    const timer = setTimeout(onSlow, SLOW_MS);
    try {
      const { done } = await this.#answers.next();
      if (done !== true) return "draining";
      throw new ConnectError("the call has ended", Code.Aborted);
    } catch (error) {
      if (await this.#isGone(error)) return "gone";
      // Ending here would leave nobody: what was said can't be taken back.
      if (isLost(error)) return "unheard";
      throw refused(this.pid, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the conversation. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  /** Whether the process has died, or is about to: its end breaks the connection first. */
  async #isGone(error: unknown): Promise<boolean> {
    if (!isLost(error)) return false;
    for (const deadlineMs = performance.now() + GONE_MS; performance.now() < deadlineMs;) {
      if (!await isAlive(this.pid)) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return false;
  }
}

function isLost(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unavailable;
}

async function* requests(
  database: string,
  serving: Promise<void>,
): AsyncGenerator<{ database?: string; isServing?: boolean }> {
  yield { database };
  await serving;
  yield { isServing: true };
}

function refused(pid: number | undefined, error: unknown): ProxyError {
  const detail = error instanceof ConnectError ? error.rawMessage : String(error);
  const who = pid === undefined ? "the server that runs" : `process ${pid}`;
  return new ProxyError("unavailable", `${who} doesn't hand over: ${detail}`, { cause: error });
}

async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new ConnectError(`no answer in ${ms / 1_000} s`, Code.DeadlineExceeded)),
    ms,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** proc(5): a zombie has died. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}
