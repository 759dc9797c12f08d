/**
 * A peer made by hand: builds frames byte by byte, feeds them to a connection, reads what comes back, and keeps
 * every call that the connection made on its handler.
 */
import { Http2Connection } from "../../src/http2/connection.ts";
import { FieldSection } from "../../src/http2/field_section.ts";
import { FrameType, PREFACE, readUint24, readUint31, readUint32 } from "../../src/http2/frames.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { type Http2Options, resolveOptions } from "../../src/http2/options.ts";
import { OutputBuffer } from "../../src/http2/output.ts";
import type { HttpError, HttpHandler, RequestHead, ResponseHead } from "../../src/wire/http_handler.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";

/** Calls on the handler, one line each; content is joined where it came in pieces. */
export class Recorder implements HttpHandler {
  calls: string[] = [];
  error: HttpError | undefined;
  isClosed = false;
  /** Called in each data call, so that a test can credit or answer. */
  onData: (streamId: number, bytes: Uint8Array, end: boolean) => void = () => {};
  onRequest: (streamId: number, head: RequestHead, end: boolean) => void = () => {};
  content = new Map<number, number[]>();
  heads = new Map<number, RequestHead | ResponseHead>();
  takenBytes = new Map<number, number>();

  request(streamId: number, head: RequestHead, end: boolean): void {
    this.heads.set(streamId, head);
    this.calls.push(`request ${streamId} ${head.method} ${head.authority} ${head.path}${end ? " end" : ""}`);
    this.onRequest(streamId, head, end);
  }
  response(streamId: number, head: ResponseHead, end: boolean): void {
    this.heads.set(streamId, head);
    this.calls.push(`response ${streamId} ${head.status}${end ? " end" : ""}`);
  }
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    if (flowBytes < bytes.length) throw new Error("flowBytes below the content's length");
    const content = this.content.get(streamId) ?? [];
    this.content.set(streamId, content);
    for (const byte of bytes) content.push(byte);
    if (end) this.calls.push(`data ${streamId} ${content.length} end`);
    this.onData(streamId, bytes, end);
  }
  trailers(streamId: number, fields: readonly string[]): void {
    this.calls.push(`trailers ${streamId} ${fields.join(",")}`);
  }
  reset(streamId: number, code: number, byPeer: boolean, safeToRetry: boolean): void {
    this.calls.push(
      `reset ${streamId} ${codeName(code)}${byPeer ? " by peer" : ""}${safeToRetry ? " safe" : ""}`,
    );
  }
  taken(streamId: number, bytes: number): void {
    this.takenBytes.set(streamId, (this.takenBytes.get(streamId) ?? 0) + bytes);
  }
  goAway(lastStreamId: number, code: number): void {
    this.calls.push(`goAway ${lastStreamId} ${codeName(code)}`);
  }
  ready(): void {}
  closed(error?: HttpError): void {
    if (this.isClosed) throw new Error("closed twice");
    this.isClosed = true;
    this.error = error;
    this.calls.push(`closed${error === undefined ? "" : ` ${codeName(error.code)}`}`);
  }
}

/** Name of an error code, as in RFC 9113 §7. */
export function codeName(code: number): string {
  return Object.entries(ErrorCode).find(([, value]) => value === code)?.[0] ?? String(code);
}

/** A frame with any header and payload. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: ArrayLike<number> = [],
): Uint8Array {
  const { length } = payload;
  const built = new Uint8Array(9 + length);
  built.set([length >>> 16, length >>> 8, length, type, flags]);
  built.set(uint32(streamId), 5);
  built.set(payload, 9);
  return built;
}

/** Four bytes in network order. */
export function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** A SETTINGS frame. */
export function settings(...pairs: [number, number][]): Uint8Array {
  return frame(
    FrameType.SETTINGS,
    0,
    0,
    pairs.flatMap(([id, value]) => [id >>> 8, id & 255, ...uint32(value)]),
  );
}

/** All parts as one array. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A field block without dynamic table, so that blocks can be sent in any order. */
export function block(...fields: string[]): Uint8Array {
  const out = new OutputBuffer();
  const encoder = new HpackEncoder(0);
  for (let index = 0; index < fields.length; index += 2) {
    encoder.field(out, fields[index]!, fields[index + 1]!, false);
  }
  return out.take();
}

/** The pseudo-fields of a plain GET, to be followed by other fields. */
export const GET = [":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/"];
/** The pseudo-fields of a plain POST. */
export const POST = [":method", "POST", ...GET.slice(2)];

/** A frame that was read back, with its field block decoded where it is HEADERS. */
export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

/** Splits bytes into frames; a client's preface is skipped. */
export function readFrames(bytes: Uint8Array): ReadFrame[] {
  const frames: ReadFrame[] = [];
  let at = bytes[0] === PREFACE[0] && bytes[1] === PREFACE[1] && bytes[2] === PREFACE[2] ? PREFACE.length : 0;
  while (at < bytes.length) {
    const length = readUint24(bytes, at);
    const payload = bytes.slice(at + 9, at + 9 + length);
    if (payload.length !== length) throw new Error("output ends inside a frame");
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      streamId: readUint31(bytes, at + 5),
      payload,
    });
    at += 9 + length;
  }
  return frames;
}

/** One line for each frame in the output, SETTINGS and their ACK left out. */
export function describe(bytes: Uint8Array, decoder?: HpackDecoder): string[] {
  const names = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]));
  return readFrames(bytes).filter(({ type }) => type !== FrameType.SETTINGS).map((read) => {
    const { type, flags, streamId, payload } = read;
    const name = names[type];
    if (type === FrameType.RST_STREAM) return `${name} ${streamId} ${codeName(readUint32(payload, 0))}`;
    if (type === FrameType.GOAWAY) {
      return `${name} ${readUint31(payload, 0)} ${codeName(readUint32(payload, 4))}`;
    }
    if (type === FrameType.WINDOW_UPDATE) return `${name} ${streamId} ${readUint31(payload, 0)}`;
    const end = type === FrameType.PING ? " ack".repeat(flags & 1) : " end".repeat(flags & 1);
    if (type === FrameType.HEADERS && decoder !== undefined) {
      const section = new FieldSection({ maxHeaderBytes: 1e6, maxHeaderFields: 1e6 });
      const fault = decoder.decode(payload, 0, payload.length, section);
      if (fault !== "") throw new Error(fault);
      const status = section.status ?? section.method ?? "trailers";
      return [name, streamId, status, ...section.fields].join(" ") + end;
    }
    return `${name} ${streamId} ${payload.length}${end}`;
  });
}

/** A connection with its recorder and a hand-made peer on the other side. */
export class RawPeer {
  readonly recorder = new Recorder();
  readonly connection: Http2Connection;
  readonly decoder = new HpackDecoder(4096);
  nowMs = 0;

  constructor(options: Http2Options) {
    resolveOptions(options);
    this.connection = new Http2Connection(this.recorder, options);
  }

  /** A server whose client has sent preface and SETTINGS and acknowledged ours. */
  static client(options: Partial<Http2Options> = {}, ...pairs: [number, number][]): RawPeer {
    const peer = new RawPeer({ role: "server", ...options });
    peer.send(PREFACE, settings(...pairs), frame(FrameType.SETTINGS, 1, 0));
    peer.output();
    return peer;
  }

  /** A client whose server has sent SETTINGS and acknowledged ours. */
  static server(options: Partial<Http2Options> = {}, ...pairs: [number, number][]): RawPeer {
    const peer = new RawPeer({ role: "client", ...options });
    peer.send(settings(...pairs), frame(FrameType.SETTINGS, 1, 0));
    peer.output();
    return peer;
  }

  send(...parts: Uint8Array[]): void {
    this.connection.receive(concat(...parts), this.nowMs);
  }

  headers(streamId: number, fields: string[], flags = 0x5): void {
    this.send(frame(FrameType.HEADERS, flags, streamId, block(...fields)));
  }

  data(streamId: number, length: number, flags = 0): void {
    this.send(frame(FrameType.DATA, flags, streamId, new Uint8Array(length).fill(0x61)));
  }

  /** Takes all output, one line a frame. */
  output(): string[] {
    const lines: string[] = [];
    do lines.push(...describe(this.connection.takeOutput(), this.decoder)); while (this.connection.hasOutput);
    return lines;
  }
}
