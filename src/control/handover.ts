/**
 * The giving side of a hand-over: a newly started process asks this one to let go of the admin socket and then of the
 * database, says when it serves, and this one drains. Until it has said so this one goes on serving, and takes
 * everything back when the other one fails. Whoever is alive and was not relieved wins.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Store } from "../store/store.ts";
import type { Turns } from "./turns.ts";

/** From the release of the database until the successor must serve. */
const SERVE_MS = 60_000;
/** For what had come while this process was held up to be read. */
const UNREAD_MS = 1_000;
/** How long a successor that has failed may hold the database before it is killed. */
const HELD_MS = 5_000;
/** Between two tries to take something back: while somebody else holds it, and when it can't be had at all. */
const RETRY_MS = 50;
const RETRY_LATER_MS = 2_000;

/** Who wants to take over. */
export interface Successor {
  /** Its process. */
  readonly pid: number;
  /** Its database, symbolic links resolved. */
  readonly databasePath: string;
  /** Aborted when it has gone, or wants no more. */
  readonly gone: AbortSignal;
  /** Lets go of the admin socket; this successor's connection alone stays. */
  readonly releaseSocket: () => Promise<void>;
  /** Listens on the admin socket again. @throws when it can't */
  readonly retakeSocket: () => Promise<void>;
}

/** What a hand-over works with. */
export interface HandoverOptions {
  /** The database, let go and taken back. */
  readonly store: Pick<Store, "path" | "release" | "retake" | "lockHolder">;
  /** Held from the first step to the last: nothing changes meanwhile. */
  readonly turns: Turns;
  /** Told of each step. */
  readonly log: Log;
  /** Why nobody may take over now; absent = somebody may. */
  readonly refusal: () => string | undefined;
  /** Ends what works on its own: deadlines, the metrics file. */
  readonly pause: () => void;
  /** Serves what the database holds now, and lets work what `pause` has ended. */
  readonly resume: () => Promise<void>;
  /** Called at each step, before anything follows it. */
  readonly atStep: (step: string) => Promise<void>;
  /** From the release until the successor must serve, in ms; default 60,000. */
  readonly serveMs?: number;
  /** How long a failed successor may hold the database, in ms; default 5,000. */
  readonly heldMs?: number;
}

/** `detached`: this server serves on without a database, for it can't be used. */
type Stage = "idle" | "releasing" | "released" | "retaking" | "detached" | "done";

/** Gives this server's place to another process, at most once. */
export class Handover {
  /** Resolves with the successor's process id, when that serves and this server is to drain. */
  readonly done: Promise<number>;
  readonly #options: HandoverOptions;
  readonly #done = Promise.withResolvers<number>();
  #stage: Stage = "idle";
  #successor: Successor | undefined;
  #overdue: ReturnType<typeof setTimeout> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;
  #giveTurnBack: () => void = () => {};
  #isStopped = false;

  /** Nobody takes over yet. */
  constructor(options: HandoverOptions) {
    this.#options = options;
    this.done = this.#done.promise;
  }

  /** Why nothing can be changed here at the moment; absent = it can. */
  get refusal(): string | undefined {
    if (this.#stage === "idle") return undefined;
    if (this.#stage === "detached") {
      return "the database can't be used since a takeover failed; the log says why";
    }
    return "another process takes over from this one: ask again in a moment";
  }

  /**
   * Lets go of everything when what changes now is over.
   *
   * @throws ProxyError precondition when nobody may take over now, or not this one; what a step throws. Everything is
   * as before then
   */
  async release(successor: Successor): Promise<void> {
    const { store, turns, pause } = this.#options;
    this.#refuse(successor);
    clearTimeout(this.#later);
    this.#stage = "releasing";
    this.#successor = successor;
    await new Promise<void>((begin) => {
      void turns.run(() => {
        begin();
        return new Promise<void>((resolve) => this.#giveTurnBack = resolve);
      });
    });
    try {
      await this.#step("asked");
      successor.gone.throwIfAborted();
      pause();
      await successor.releaseSocket();
      await this.#step("admin_released");
      successor.gone.throwIfAborted();
      store.release();
      await this.#step("database_released");
      successor.gone.throwIfAborted();
    } catch (error) {
      await this.#takeBack(error);
      throw error;
    }
    this.#stage = "released";
    const { serveMs = SERVE_MS } = this.#options;
    successor.gone.addEventListener("abort", () => this.#fail("the other process has gone"), { once: true });
    const fail = (): void => this.#fail(`it doesn't serve after ${serveMs / 1_000} s`);
    // A process that was held up finds its timers due before it reads that the other one serves.
    this.#overdue = setTimeout(() => this.#overdue = setTimeout(fail, UNREAD_MS), serveMs);
  }

  /** The successor serves: there is no way back. @throws ProxyError precondition when it comes too late */
  async commit(): Promise<void> {
    if (this.#stage !== "released" || this.#successor === undefined) {
      throw new ProxyError("precondition", "the hand-over has failed: the other process serves on");
    }
    this.#stage = "done";
    clearTimeout(this.#overdue);
    // The turn is never given back: what waits for it would change what isn't ours any more.
    await this.#step("handed_over");
    this.#done.resolve(this.#successor.pid);
  }

  /** Takes nothing back any more: this server stops. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#overdue);
    clearTimeout(this.#later);
  }

  #refuse({ databasePath, gone }: Successor): void {
    const { refusal, store } = this.#options;
    gone.throwIfAborted();
    const isFree = this.#stage === "idle" || this.#stage === "detached";
    const reason = refusal() ?? (isFree ? undefined : "another process takes over already");
    if (reason !== undefined) throw new ProxyError("precondition", reason);
    if (databasePath === store.path) return;
    throw new ProxyError(
      "precondition",
      `this server's database is "${store.path}", not "${databasePath}": only a server of the same configuration can take over`,
    );
  }

  async #step(step: string): Promise<void> {
    this.#options.log.info("handover", { step, successor: this.#successor?.pid });
    await this.#options.atStep(step);
  }

  #fail(detail: string): void {
    if (this.#stage === "released") void this.#takeBack(detail);
  }

  /** Goes on as if nothing had happened. Never throws. */
  async #takeBack(reason: unknown): Promise<void> {
    this.#stage = "retaking";
    clearTimeout(this.#overdue);
    const { log } = this.#options;
    log.warning("handover_failed", { successor: this.#successor?.pid, detail: messageOf(reason) });
    const isBack = await this.#retakeStore();
    await this.#retakeSocket();
    if (isBack) await this.#resume();
    this.#stage = isBack ? "idle" : "detached";
    // Without the database certificates are still read again; what would change the configuration is refused.
    this.#giveTurnBack();
    if (!isBack) this.#retakeLater();
    if (!this.#isStopped) log.info("handover", { step: "taken_back" });
  }

  /** @returns false when the database can't be used, such as with a newer schema */
  async #retakeStore(): Promise<boolean> {
    const { store, log, heldMs = HELD_MS } = this.#options;
    const startedMs = performance.now();
    while (!this.#isStopped) {
      try {
        store.retake();
        return true;
      } catch (error) {
        if (!(error instanceof ProxyError) || error.code !== "busy") {
          log.error("database_lost", { detail: messageOf(error) });
          return false;
        }
        if (performance.now() - startedMs > heldMs) this.#killHolder();
        await pause(RETRY_MS);
      }
    }
    return false;
  }

  /** Ends a successor that has failed and holds the database all the same. */
  #killHolder(): void {
    const { store, log } = this.#options;
    const pid = this.#successor?.pid;
    // Who holds the lock has written its number into it: this can be nobody else.
    if (pid === undefined || pid === Deno.pid || store.lockHolder() !== pid) return;
    log.error("successor_killed", { successor: pid });
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }

  async #retakeSocket(): Promise<void> {
    let isTold = false;
    while (!this.#isStopped) {
      try {
        return await this.#successor?.retakeSocket();
      } catch (error) {
        if (!isTold) this.#options.log.error("admin_lost", { detail: messageOf(error) });
        isTold = true;
        await pause(RETRY_LATER_MS);
      }
    }
  }

  async #resume(): Promise<void> {
    try {
      await this.#options.resume();
    } catch (error) {
      this.#options.log.error("change_failed", { detail: messageOf(error) });
    }
  }

  /** Tries again, in a while, to get the database that this server serves without. */
  #retakeLater(): void {
    if (!this.#isStopped) this.#later = setTimeout(() => void this.#retakeAgain(), RETRY_LATER_MS);
  }

  async #retakeAgain(): Promise<void> {
    const { store, turns, log } = this.#options;
    try {
      store.retake();
    } catch {
      return this.#retakeLater();
    }
    log.info("handover", { step: "database_back" });
    this.#stage = "idle";
    await turns.run(() => this.#resume());
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
