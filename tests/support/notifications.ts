/**
 * A service manager's end of sd_notify(3): a Unix datagram socket that keeps what it is told.
 *
 * @module
 */

import { type Arrivals, arrivals } from "./arrivals.ts";

/** One datagram: its assignments, `STATUS` for one. */
export type Notification = Readonly<Record<string, string>>;

/** What a process told. */
export class Notifications implements AsyncDisposable {
  /** For NOTIFY_SOCKET: a file, or `@` and an abstract name. */
  readonly socket: string;
  /** In the order in which they came. */
  readonly all: Notification[] = [];
  readonly #conn: Deno.DatagramConn;
  readonly #arrivals: Arrivals = arrivals();
  readonly #receiving: Promise<void>;
  readonly #folder: string | undefined;

  /** Listens. @param kind where: a file in a folder of its own, or a name without a file */
  constructor(kind: "file" | "abstract" = "file") {
    if (kind === "file") this.#folder = Deno.makeTempDirSync({ prefix: "mc-proxy-notify-" });
    this.socket = this.#folder === undefined
      ? `@mc-proxy-test-${crypto.randomUUID()}`
      : `${this.#folder}/notify`;
    this.#conn = Deno.listenDatagram({ transport: "unixpacket", path: this.socket.replace(/^@/, "\0") });
    this.#receiving = this.#receive();
  }

  /** The first that `matches` from index `from` on, now or when it comes. Rejects with what came. */
  async next(matches: (notification: Notification) => boolean, from = 0): Promise<Notification> {
    const found = await this.#arrivals.until(() => this.all.slice(from).find(matches), 20_000);
    if (found === undefined) throw new Error(`not told; told were ${JSON.stringify(this.all)}`);
    return found;
  }

  /** Without signs of life and status lines. */
  get steps(): Notification[] {
    return this.all.filter((each) => !("WATCHDOG" in each) && !("STATUS" in each));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#receiving;
    if (this.#folder !== undefined) await Deno.remove(this.#folder, { recursive: true });
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const [bytes] = await this.#conn.receive(new Uint8Array(65_536));
        const lines = new TextDecoder().decode(bytes).split("\n");
        this.all.push(
          Object.fromEntries(
            lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
          ),
        );
        this.#arrivals.notify();
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) {
        throw error;
      }
    }
  }
}
