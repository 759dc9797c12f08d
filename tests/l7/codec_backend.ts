/**
 * A backend on a real socket whose HTTP is ours, so that a test can make it do anything at any moment.
 *
 * @module
 */

import type { Http2Options } from "../../src/http2/options.ts";
import { type Arrivals, arrivals } from "../support/arrivals.ts";
import { type Answer, HttpPeer, type PeerStream } from "./http_peer.ts";

/** How a backend behaves. */
export interface BackendOptions {
  readonly version: "h2" | "http/1.1";
  /** Called when a request's head has come. */
  readonly onHead?: Answer;
  /** Called when all of a request has come. */
  readonly onEnd?: Answer;
  readonly http2?: Partial<Http2Options>;
}

/** One connection that the backend accepted. */
export interface BackendConnection {
  readonly peer: HttpPeer;
  /** FIN, at once. */
  close(): void;
  /** The other end's FIN or RST has come. */
  isEnded: boolean;
}

/** A backend on a free port of 127.0.0.1. */
export class CodecBackend implements AsyncDisposable {
  readonly port: number;
  readonly connections: BackendConnection[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #options: BackendOptions;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  readonly #arrivals: Arrivals = arrivals();
  #isDisposed = false;

  /** Listens. */
  constructor(options: BackendOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** Every stream of every connection, oldest first. */
  get streams(): PeerStream[] {
    return this.connections.flatMap(({ peer }) => [...peer.streams.values()]);
  }

  /** Waits until `look` finds something; rejects after five seconds. */
  async until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const found = await this.#arrivals.until(() => look() || undefined, 5_000);
    if (found === undefined) throw new DOMException(`no ${what} at the backend in 5,000 ms`, "TimeoutError");
    return found;
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.#open.add(conn);
      const serving = this.#serve(conn).finally(() => this.#serving.delete(serving));
      this.#serving.add(serving);
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const output: Uint8Array[] = [];
    let isWriting = false;
    let isEnding = false;
    const write = async (bytes: Uint8Array): Promise<void> => {
      output.push(bytes);
      if (isWriting) return;
      isWriting = true;
      for (let next; (next = output.shift()) !== undefined;) {
        for (let at = 0; at < next.length;) at += await conn.write(next.subarray(at));
      }
      isWriting = false;
      if (isEnding) await conn.closeWrite();
    };
    const end = (): void => {
      isEnding = true;
      if (!isWriting) conn.closeWrite().catch(() => {});
    };
    const peer = new HttpPeer({
      ...this.#options,
      role: "server",
      write: (bytes) => void write(bytes).catch(() => {}),
      end,
    });
    const connection = { peer, isEnded: false, close: () => this.#close(conn) };
    this.connections.push(connection);
    peer.flush();
    const buffer = new Uint8Array(65_536);
    try {
      for (let count; (count = await conn.read(buffer)) !== null;) {
        peer.receive(buffer.subarray(0, count));
        this.#arrivals.notify();
      }
      peer.receiveEnd();
      this.#arrivals.notify();
      await peer.until("close", () => peer.isClosed || !this.#open.has(conn));
    } catch {
      // A RST, or the test's end.
    }
    connection.isEnded = true;
    this.#arrivals.notify();
    this.#close(conn);
  }

  #close(conn: Deno.TcpConn): void {
    if (!this.#open.delete(conn)) return;
    conn.close();
    for (const { peer } of this.connections) peer.flush();
  }

  /** Ends everything; a second time does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#listener.close();
    await this.#accepting;
    for (const conn of this.#open) this.#close(conn);
    await Promise.all(this.#serving);
  }
}
