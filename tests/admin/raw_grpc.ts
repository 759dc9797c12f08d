/**
 * A gRPC client made by hand, frame by frame: does what no client of others' can be made to do.
 *
 * @module
 */

import { Flag, FRAME_HEADER_BYTES, FrameType, PREFACE, readUint24 } from "../../src/http2/frames.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { arrivals } from "../support/arrivals.ts";
import { block, concat, describe, frame, settings, uint32 } from "../http2/raw_peer.ts";

/** What a client may have to say beside the pseudo-fields. */
export const GRPC_FIELDS: readonly string[] = ["content-type", "application/grpc", "te", "trailers"];

/** Preface, SETTINGS, and the acknowledgement of the server's. */
export function greeting(...pairs: [number, number][]): Uint8Array {
  return concat(PREFACE, settings(...pairs), frame(FrameType.SETTINGS, 1, 0));
}

/** The field block of a call. */
export function callBlock(
  path: string,
  fields: readonly string[] = GRPC_FIELDS,
  method = "POST",
): Uint8Array {
  return block(":method", method, ":scheme", "http", ":authority", "x", ":path", path, ...fields);
}

/** HEADERS of a call. */
export function callHeaders(streamId: number, path: string, fields?: readonly string[]): Uint8Array {
  return frame(FrameType.HEADERS, Flag.END_HEADERS, streamId, callBlock(path, fields));
}

/** A message as gRPC frames it, in one DATA frame that ends the request. */
export function lastMessage(streamId: number, message: ArrayLike<number> = [], flags = 0): Uint8Array {
  return frame(FrameType.DATA, Flag.END_STREAM, streamId, [
    flags,
    ...uint32(message.length),
    ...Array.from(message),
  ]);
}

const WAIT_MS = 30_000;

/** A client; reads from the start, and keeps each frame as one line. */
export class RawGrpc implements Disposable {
  /** Every frame but SETTINGS so far. */
  readonly lines: string[] = [];
  readonly #conn: Deno.Conn;
  readonly #arrivals = arrivals();
  readonly #decoder = new HpackDecoder(4_096);
  #rest: Uint8Array = new Uint8Array(0);
  #isEnded = false;

  /** Reads at once. @param conn owned from now on */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    void this.#read();
  }

  /** Sends frames. */
  async send(...parts: Uint8Array[]): Promise<void> {
    for (let rest = concat(...parts); rest.length > 0;) rest = rest.subarray(await this.#conn.write(rest));
  }

  /** Waits for a frame, which may have come already. Rejects when the server closes before. */
  async line(pattern: RegExp): Promise<string> {
    const found = await this.#arrivals.until(() => {
      const line = this.lines.find((each) => pattern.test(each));
      if (line === undefined && this.#isEnded) throw this.#without(pattern);
      return line;
    }, WAIT_MS);
    if (found === undefined) throw this.#without(pattern);
    return found;
  }

  #without(pattern: RegExp): Error {
    return new Error(`no ${pattern} in\n${this.lines.join("\n")}`);
  }

  /** Waits for a frame beyond the first `count`. */
  async more(count: number): Promise<void> {
    await this.#arrivals.until(() => this.lines.length > count || this.#isEnded || undefined, WAIT_MS);
  }

  /** Waits until the server has closed. @returns all frames */
  async end(): Promise<readonly string[]> {
    const ended = await this.#arrivals.until(() => this.#isEnded || undefined, WAIT_MS);
    if (ended === undefined) throw this.#without(/end of the connection/);
    return this.lines;
  }

  /** Ends the connection. */
  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch {
      // The server was first.
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        this.#take(concat(this.#rest, buffer.slice(0, count)));
        this.#arrivals.notify();
      }
    } catch {
      // A RST.
    }
    this.#isEnded = true;
    this.#arrivals.notify();
  }

  #take(bytes: Uint8Array): void {
    let at = 0;
    for (;;) {
      const length = bytes.length - at < FRAME_HEADER_BYTES ? Infinity : readUint24(bytes, at);
      if (at + FRAME_HEADER_BYTES + length > bytes.length) break;
      const whole = bytes.subarray(at, at + FRAME_HEADER_BYTES + length);
      this.lines.push(...describe(whole, this.#decoder));
      at += whole.length;
    }
    this.#rest = bytes.slice(at);
  }
}
