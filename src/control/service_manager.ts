/**
 * What the service manager is told: sd_notify(3), over the Unix datagram socket that NOTIFY_SOCKET names. Without one
 * nothing is said.
 *
 * @module
 */

import { monotonicMs } from "../net/native.ts";

/** Between two looks whether the status has changed. */
const STATUS_MS = 2_000;
/** Messages that may wait for the service manager to read them. */
const WAITING_MAX = 64;

/** What the service manager has put into the environment; what is absent it doesn't want. */
export interface ServiceEnvironment {
  /** NOTIFY_SOCKET: an absolute path, or `@` and a name of Linux's abstract ones. */
  readonly notifySocket?: string | undefined;
  /** WATCHDOG_USEC. */
  readonly watchdogUsec?: string | undefined;
  /** WATCHDOG_PID: whose watchdog it is; absent = ours. */
  readonly watchdogPid?: string | undefined;
}

/** The conversation with the service manager. Nothing it says is ever waited for, and nothing that fails is told. */
export class ServiceManager implements Disposable {
  /** How long the watchdog waits for a sign of life, in ms; `undefined` = there is none. */
  readonly watchdogMs: number | undefined;
  readonly #socket: Deno.DatagramConn | undefined;
  readonly #address: Deno.UnixAddr;
  #sending: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isSilent = false;
  #feeding: ReturnType<typeof setInterval> | undefined;
  #following: ReturnType<typeof setInterval> | undefined;

  /** Says nothing yet. @param environment absent = that of this process */
  constructor(environment: ServiceEnvironment = environmentOfProcess()) {
    const { notifySocket = "", watchdogUsec, watchdogPid } = environment;
    this.#address = { transport: "unixpacket", path: notifySocket.replace(/^@/, "\0") };
    if (/^[/@]/.test(notifySocket)) this.#socket = openSocket();
    const isOurs = watchdogPid === undefined || watchdogPid === String(Deno.pid);
    const watchdogMs = Number(watchdogUsec) / 1_000;
    this.watchdogMs = isOurs && watchdogMs > 0 ? watchdogMs : undefined;
  }

  /** Feeds the watchdog from this event loop: at once, and then twice in its time. @param watchdogMs absent = never */
  feed(watchdogMs: number | undefined = this.watchdogMs): void {
    if (watchdogMs === undefined || this.#socket === undefined || this.#feeding !== undefined) return;
    this.#send(["WATCHDOG=1"]);
    this.#feeding = setInterval(() => this.#send(["WATCHDOG=1"]), watchdogMs / 2);
  }

  /** Tells that the server serves. @param isTakenOver this process takes the place of the service's main process */
  ready(isTakenOver = false): void {
    this.#send(isTakenOver ? [`MAINPID=${Deno.pid}`, "READY=1"] : ["READY=1"]);
  }

  /** Tells a sentence about the server, now and whenever it has become another one. */
  follow(status: () => string): void {
    let told: string | undefined;
    const look = (): void => {
      const text = status();
      if (text !== told) this.#send([`STATUS=${text}`]);
      told = text;
    };
    clearInterval(this.#following);
    look();
    this.#following = setInterval(look, STATUS_MS);
  }

  /** Tells that files are read again, until the work is over. */
  async reloading(work: () => Promise<void>): Promise<void> {
    this.#send(["RELOADING=1", `MONOTONIC_USEC=${Math.floor(monotonicMs() * 1_000)}`]);
    await work();
    this.ready();
  }

  /** Tells that the server stops, and asks for the time that it takes, where that is longer than what it is given. */
  stopping(withinMs: number): void {
    this.#send(["STOPPING=1", `EXTEND_TIMEOUT_USEC=${Math.ceil(withinMs * 1_000)}`]);
  }

  /** Says nothing more: another process speaks for the service now. */
  silence(): void {
    this.#isSilent = true;
    clearInterval(this.#feeding);
    clearInterval(this.#following);
  }

  /** Closes the socket. What was said before has gone out, or is dropped. */
  [Symbol.dispose](): void {
    this.silence();
    this.#socket?.close();
  }

  /** Waits until everything said so far has gone out. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  #send(assignments: readonly string[]): void {
    const socket = this.#socket;
    if (socket === undefined || this.#isSilent || this.#waiting >= WAITING_MAX) return;
    const bytes = new TextEncoder().encode(assignments.join("\n"));
    this.#waiting++;
    // In their order: a status must not overtake what it belongs to.
    this.#sending = this.#sending.then(() => socket.send(bytes, this.#address)).catch(() => {}).then(() =>
      this.#waiting--
    );
  }
}

/** The sending end must have a name: an abstract one, or where the runtime knows none a file, removed at once. */
function openSocket(): Deno.DatagramConn | undefined {
  const name = `mc-proxy-notify-${crypto.randomUUID()}`;
  try {
    return Deno.listenDatagram({ transport: "unixpacket", path: `\0${name}` });
  } catch {
    return openFile();
  }
}

function openFile(): Deno.DatagramConn | undefined {
  try {
    const folder = Deno.makeTempDirSync({ prefix: "mc-proxy-notify-" });
    try {
      return Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/socket` });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  } catch {
    // A server that can't tell is better than none: the service manager will say what it misses.
    return undefined;
  }
}

function environmentOfProcess(): ServiceEnvironment {
  return {
    notifySocket: Deno.env.get("NOTIFY_SOCKET"),
    watchdogUsec: Deno.env.get("WATCHDOG_USEC"),
    watchdogPid: Deno.env.get("WATCHDOG_PID"),
  };
}
