/**
 * TLS clients of the program in two kinds: one whose HTTP is the project's own codec, to ask well and at any moment,
 * and one that sends bytes as they are, to ask badly.
 *
 * @module
 */

import { latin1 } from "../support/client_hello.ts";
import { type Arrivals, arrivals } from "../support/arrivals.ts";
import type { RequestHead } from "../../src/wire/http_handler.ts";
import { HttpPeer, type PeerStream } from "../l7/http_peer.ts";
import type { Site } from "./l7_site.ts";
import { textOf } from "./raw_backend.ts";

/** How the program ended a connection: with its close_notify, without one, or with a RST. */
export type TlsEnd = "close_notify" | "fin" | "reset";

/** Where a client goes, and as whom. */
export interface Target {
  /** `host:port` of the program. */
  readonly addr: string;
  /** SNI, and the authority of requests. */
  readonly name: string;
  /** Sent before the hello: a PROXY header. */
  readonly header?: Uint8Array;
}

const TIMEOUT_MS = 10_000;

/** A TLS connection whose certificate is verified. */
export async function openTls(
  site: Site,
  { addr, name, header }: Target,
  alpn: readonly string[],
): Promise<Deno.TlsConn> {
  const [hostname, port] = addr.split(":");
  const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
  conn.setNoDelay(true);
  if (header !== undefined) await writeAll(conn, header);
  const secured = await Deno.startTls(conn, {
    hostname: name,
    caCerts: [site.authority],
    alpnProtocols: [...alpn],
  });
  try {
    await secured.handshake();
  } catch (error) {
    secured.close();
    throw error;
  }
  return secured;
}

/** A connection that is read to its end from the moment it is made. */
abstract class TlsClient implements AsyncDisposable {
  readonly #conn: Deno.TlsConn;
  readonly #arrivals: Arrivals = arrivals();
  readonly #reading: Promise<void>;
  readonly #output: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #released: Promise<void> | undefined;
  #release = () => {};
  #isDisposed = false;
  /** How it ended; absent while it hasn't. */
  end: TlsEnd | undefined;

  constructor(conn: Deno.TlsConn) {
    this.#conn = conn;
    // The subclass's fields aren't there yet.
    this.#reading = Promise.resolve().then(() => this.#read());
  }

  /** Sends close_notify and FIN after all that was sent before, and reads on. */
  async finish(): Promise<void> {
    await this.#writing;
    await this.#conn.closeWrite();
  }

  /** Takes what has come. */
  protected abstract take(bytes: Uint8Array): void;
  /** Nothing more will come. */
  protected abstract finished(): void;

  /** Sends, after all that was sent before. */
  write(bytes: Uint8Array): void {
    this.#output.push(bytes);
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    // What can't be written any more is no fault: the test looks at what came.
    for (let next; (next = this.#output.shift()) !== undefined;) {
      await writeAll(this.#conn, next).catch(() => {});
    }
    this.#writing = undefined;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        this.take(buffer.subarray(0, count));
        this.notify();
        await this.#released;
      }
      this.end = "close_notify";
    } catch (error) {
      this.end = error instanceof Deno.errors.ConnectionReset ? "reset" : "fin";
    }
    if (!this.#isDisposed) this.finished();
    this.notify();
  }

  /** Makes everybody who waits look again. */
  protected notify(): void {
    this.#arrivals.notify();
  }

  /** Waits until `look` finds something; rejects with a TimeoutError that says `what`. */
  async until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const found = await this.#arrivals.until(() => {
      const value = look();
      return value === undefined || value === false ? undefined : { value };
    }, TIMEOUT_MS);
    if (found !== undefined) return found.value;
    throw new DOMException(`no ${what} in ${TIMEOUT_MS} ms\n${this.progress}`, "TimeoutError");
  }

  /** What has come, for a failed test. */
  protected abstract readonly progress: string;

  /** Waits for the end. */
  async ended(): Promise<TlsEnd> {
    return await this.until("end", () => this.end);
  }

  /** Stops reading after what is being read. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#released = promise;
    this.#release = resolve;
  }

  /** Reads on. */
  release(): void {
    this.#release();
  }

  /** Closes; a second time does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#release();
    await this.#writing;
    try {
      this.#conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    await this.#reading;
  }
}

/** A client that speaks HTTP. */
export class L7Peer extends TlsClient {
  readonly peer: HttpPeer;
  readonly #name: string;

  private constructor(conn: Deno.TlsConn, version: "h2" | "http/1.1", name: string) {
    super(conn);
    this.#name = name;
    this.peer = new HttpPeer({
      version,
      role: "client",
      write: (bytes) => this.write(bytes),
      end: () => void conn.closeWrite().catch(() => {}),
    });
  }

  /** Connects; `version` is all that ALPN offers. */
  static async open(site: Site, target: Target, version: "h2" | "http/1.1"): Promise<L7Peer> {
    const peer = new L7Peer(await openTls(site, target, [version]), version, target.name);
    peer.peer.flush();
    return peer;
  }

  /** Asks, with content where `text` is given, and leaves the request open where it is told to. */
  ask(head: Partial<RequestHead> = {}, options: { text?: string; isOpen?: boolean } = {}): PeerStream {
    return this.peer.ask({ authority: this.#name, ...head }, options);
  }

  /** Asks and waits for the whole answer, or for the stream's reset. */
  async answer(head: Partial<RequestHead> = {}, options: { text?: string } = {}): Promise<PeerStream> {
    const stream = this.ask(head, options);
    await this.until(`answer to ${head.method ?? "GET"} ${head.path ?? "/"}`, () => stream.isOver);
    return stream;
  }

  protected take(bytes: Uint8Array): void {
    this.peer.receive(bytes);
  }

  protected finished(): void {
    this.peer.receiveEnd();
  }

  protected get progress(): string {
    return JSON.stringify(
      [...this.peer.streams.values()].map(({ id, status, bytes }) => [id, status, bytes]),
    );
  }
}

/** A client that sends bytes. */
export class RawPeer extends TlsClient {
  readonly #parts: Uint8Array[] = [];

  /** Connects and offers `alpn`; an empty list offers nothing. */
  static async open(site: Site, target: Target, alpn: readonly string[]): Promise<RawPeer> {
    return new RawPeer(await openTls(site, target, alpn));
  }

  /** Sends text, a byte for each character, or bytes. */
  send(content: string | Uint8Array): void {
    this.write(typeof content === "string" ? latin1(content) : content);
  }

  /** All bytes so far. */
  get bytes(): Uint8Array {
    return Uint8Array.from(this.#parts.flatMap((part) => [...part]));
  }

  /** The same as text, a character for each byte. */
  get text(): string {
    return this.#parts.map((part) => textOf(part)).join("");
  }

  /** Waits until the text matches. */
  async match(pattern: RegExp): Promise<RegExpExecArray> {
    return await this.until(`${pattern}`, () => pattern.exec(this.text) ?? undefined);
  }

  protected take(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
  }

  protected finished(): void {}

  protected get progress(): string {
    return JSON.stringify(this.text);
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}
