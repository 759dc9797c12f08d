/**
 * A client that sends HTTP/2 frames of its choice inside TLS, reads what comes unless told not to, and notes how the
 * connection ended.
 *
 * @module
 */

import { FrameType, PREFACE, readUint24, readUint31, readUint32 } from "../../src/http2/frames.ts";
import { block, concat, frame, settings } from "../http2/raw_peer.ts";
import { type Arrivals, arrivals } from "../support/arrivals.ts";

const TIMEOUT_MS = 15_000;
const READ_BYTES = 65_536;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const ACK = 0x1;

/** How a connection is opened. */
export interface Http2ClientOptions {
  readonly addr: string;
  /** Server name and `:authority`. */
  readonly name: string;
  /** PEM of who vouches for the certificate. */
  readonly authority: string;
  /** SETTINGS_INITIAL_WINDOW_SIZE: what each response may send before it waits. Default 65,535. */
  readonly windowBytes?: number;
}

/** One connection. Disposal closes it. */
export class Http2Client implements AsyncDisposable {
  /** Code of the last GOAWAY; undefined before one has come. */
  goAwayCode: number | undefined;
  /** Response heads and RST_STREAMs that came, and the bytes of content. */
  readonly came = { heads: 0, resets: 0, contentBytes: 0 };
  /** Stream of the last request that was built. */
  lastStreamId = -1;
  /** Whether the server has ended what it sends, in any way. */
  isEnded = false;
  /** Resolves when nothing more is read. */
  readonly #reading: Promise<void>;
  readonly #socket: Deno.TlsConn;
  readonly #name: string;
  readonly #arrivals: Arrivals = arrivals();
  #unparsed: Uint8Array = new Uint8Array();
  #isClosed = false;

  private constructor(socket: Deno.TlsConn, name: string) {
    this.#socket = socket;
    this.#name = name;
    this.#reading = this.#read();
  }

  /** Connects, sends preface and SETTINGS, and reads on by itself. */
  static async open({ addr, name, authority, windowBytes }: Http2ClientOptions): Promise<Http2Client> {
    const [hostname, port] = addr.split(":");
    const tcp = await Deno.connect({ hostname: hostname!, port: Number(port) });
    const socket = await Deno.startTls(tcp, { hostname: name, caCerts: [authority], alpnProtocols: ["h2"] });
    await socket.handshake();
    const client = new Http2Client(socket, name);
    const pairs: [number, number][] = windowBytes === undefined ? [] : [[4, windowBytes]];
    await client.send(concat(PREFACE, settings(...pairs)));
    return client;
  }

  /** Writes all of it. @returns whether that was possible; not after the server's end */
  async send(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
      return true;
    } catch {
      return false;
    }
  }

  /** HEADERS of a new stream. `isOpen`: content is to follow. */
  request(path: string, options: { isOpen?: boolean; fields?: readonly string[] } = {}): Uint8Array {
    const { isOpen = false, fields = [] } = options;
    const pseudo = [":method", isOpen ? "POST" : "GET", ":scheme", "https", ":authority", this.#name];
    const flags = END_HEADERS | (isOpen ? 0 : END_STREAM);
    this.lastStreamId += 2;
    return frame(FrameType.HEADERS, flags, this.lastStreamId, block(...pseudo, ":path", path, ...fields));
  }

  /** Waits until `look` finds something; rejects with a TimeoutError that says `what`. */
  async until(what: string, look: () => boolean, timeoutMs = TIMEOUT_MS): Promise<void> {
    const found = await this.#arrivals.until(() => look() || undefined, timeoutMs);
    if (found === undefined) throw new DOMException(`no ${what} in ${timeoutMs} ms`, "TimeoutError");
  }

  /** Waits until the server has ended the connection. */
  ended(timeoutMs?: number): Promise<void> {
    return this.until("end of the connection", () => this.isEnded, timeoutMs);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (let count; (count = await this.#socket.read(buffer)) !== null;) {
        await this.#take(buffer.subarray(0, count));
        this.#arrivals.notify();
      }
    } catch {
      // A RST, or our own close.
    }
    this.isEnded = true;
    this.#arrivals.notify();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const all = this.#unparsed.length === 0 ? bytes : concat(this.#unparsed, bytes);
    let at = 0;
    while (all.length - at >= 9 && all.length - at >= 9 + readUint24(all, at)) {
      const length = readUint24(all, at);
      await this.#frame(all[at + 3]!, all[at + 4]!, all.subarray(at + 9, at + 9 + length));
      at += 9 + length;
    }
    this.#unparsed = all.slice(at);
  }

  async #frame(type: number, flags: number, payload: Uint8Array): Promise<void> {
    if (type === FrameType.HEADERS) this.came.heads++;
    else if (type === FrameType.RST_STREAM) this.came.resets++;
    else if (type === FrameType.DATA) this.came.contentBytes += payload.length;
    else if (type === FrameType.GOAWAY && readUint31(payload, 0) >= 0) {
      this.goAwayCode = readUint32(payload, 4);
    } else if (type === FrameType.SETTINGS && (flags & ACK) === 0) {
      await this.send(frame(FrameType.SETTINGS, ACK, 0));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
    await this.#reading;
  }
}
