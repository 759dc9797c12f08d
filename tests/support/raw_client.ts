/**
 * A raw TCP client for tests: sends bytes, reads to the end, tells a RST from a FIN, reads a TLS alert.
 *
 * @module
 */

import net from "node:net";
import { createHash } from "node:crypto";
import { bytes } from "./client_hello.ts";
import { fillPattern } from "./pattern.ts";

/** How the other side ended what it sends: a FIN or a RST. */
export type StreamEnd = "fin" | "reset";

/** A TLS alert record (RFC 8446 §6). */
export interface TlsAlert {
  /** 1 = warning, 2 = fatal. */
  readonly level: number;
  readonly description: number;
}

/** All that came to the end, and which end it was. */
export interface WholeAnswer {
  readonly bytes: Uint8Array;
  readonly end: StreamEnd;
}

/** A stream read to its end and not kept. */
export interface StreamDigest {
  readonly bytes: number;
  readonly sha256: string;
  readonly end: StreamEnd;
}

/** Every wait of a client ends after this long with a TimeoutError, unless told otherwise. */
const TIMEOUT_MS = 15_000;

/** Connects to `host:port`; IPv6 in brackets. Rejects with Deno's own error, ConnectionRefused for one. */
export function openClient(addr: string): Promise<RawClient> {
  const { hostname, port } = new URL(`tcp://${addr}`);
  const socket = net.connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port),
    allowHalfOpen: true,
    noDelay: true,
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new RawClient(socket));
    });
  });
}

/** Opens, sends `request`, reads to the end (a RST while sending included). A FIN of our own only with `finish`. */
export async function exchange(addr: string, request: Uint8Array, finish = false): Promise<WholeAnswer> {
  using client = await openClient(addr);
  await client.send(request).catch(() => {});
  if (finish) await client.finish();
  return await client.readToEnd();
}

/** The alert, where `record` is one alert record and nothing else; else undefined. */
export function parseAlert(record: Uint8Array): TlsAlert | undefined {
  const [type, major, , high, low, level, description] = record;
  if (record.length !== 7 || type !== 21 || major !== 3 || high !== 0 || low !== 2) return undefined;
  return { level: level!, description: description! };
}

/** One open connection. Disposal closes it. */
export class RawClient implements Disposable {
  readonly #socket: net.Socket;
  #end: StreamEnd | undefined;
  #wake = () => {};

  /** Takes a connected socket over; {@linkcode openClient} makes one. */
  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("readable", () => this.#wake());
    socket.on("end", () => this.#finished("fin"));
    socket.on("error", () => this.#finished("reset"));
  }

  /** Our own `127.0.0.1:port`, as the proxy sees us. */
  get localAddr(): string {
    return `${this.#socket.localAddress}:${this.#socket.localPort}`;
  }

  /** Resolves when the kernel has taken `bytes`; rejects after a RST. */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  /** Sends our FIN; reading goes on. */
  finish(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  /** Ends the connection with a RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** The next bytes, as they come; `null` at the end, whichever it is ({@linkcode end} says). */
  read(timeoutMs = TIMEOUT_MS): Promise<Uint8Array | null> {
    return this.#next(AbortSignal.timeout(timeoutMs));
  }

  /** Exactly `count` bytes; what came beyond them is kept for the next call. Throws when the end comes first. */
  async readBytes(count: number, timeoutMs = TIMEOUT_MS): Promise<Uint8Array> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const bytes = this.#socket.readableLength >= count ? this.#socket.read(count) : null;
      if (bytes !== null) return new Uint8Array(bytes);
      if (this.#end !== undefined) throw new Error(`the ${this.#end} came before ${count} bytes`);
      await this.#change(deadline);
    }
  }

  /** Everything up to the end, and which end it was. */
  async readToEnd(timeoutMs = TIMEOUT_MS): Promise<WholeAnswer> {
    const chunks: Uint8Array[] = [];
    const end = await this.#drain(timeoutMs, (chunk) => chunks.push(chunk));
    return { bytes: bytes(...chunks), end };
  }

  /** Reads to the end and keeps only the count and the SHA-256 in hex: for streams of any length. */
  async digestToEnd(timeoutMs = TIMEOUT_MS): Promise<StreamDigest> {
    const hash = createHash("sha256");
    let count = 0;
    const end = await this.#drain(timeoutMs, (chunk) => {
      hash.update(chunk);
      count += chunk.length;
    });
    return { bytes: count, sha256: hash.digest("hex"), end };
  }

  /** Sends the first `count` bytes of the stream of `pattern.ts`, waiting for the kernel to take them. */
  async sendPattern(count: number): Promise<void> {
    for (let sent = 0; sent < count;) {
      const chunk = new Uint8Array(Math.min(262_144, count - sent));
      fillPattern(chunk, sent);
      await this.send(chunk);
      sent += chunk.length;
    }
  }

  /** How the other side ended; undefined while it hasn't. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  /** Closes with a FIN, or with a RST where unread bytes are left. */
  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #drain(timeoutMs: number, take: (chunk: Uint8Array) => void): Promise<StreamEnd> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (let chunk; (chunk = await this.#next(deadline)) !== null;) take(chunk);
    return this.#end!;
  }

  async #next(deadline: AbortSignal): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.#socket.read();
      if (bytes !== null) return new Uint8Array(bytes);
      if (this.#end !== undefined) return null;
      await this.#change(deadline);
    }
  }

  #finished(end: StreamEnd): void {
    this.#end ??= end;
    this.#wake();
  }

  #change(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timedOut = () => reject(deadline.reason);
      if (deadline.aborted) return timedOut();
      deadline.addEventListener("abort", timedOut);
      this.#wake = () => {
        deadline.removeEventListener("abort", timedOut);
        resolve();
      };
    });
  }
}
