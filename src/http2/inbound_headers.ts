/**
 * HEADERS and CONTINUATION: gathers field blocks, decodes them, and gives the owner heads and trailers.
 *
 * @module
 */

import { ErrorCode } from "../wire/http_handler.ts";
import { allowedTrailers } from "../wire/http_fields.ts";
import { FloodKind } from "./flood.ts";
import { Flag, readUint31 } from "./frames.ts";
import { requestHead, responseHead } from "./heads.ts";
import { refuse } from "./refusal.ts";
import type { Session } from "./session.ts";
import type { Stream } from "./stream.ts";

const NOTHING = new Uint8Array(0);
// Decoding goes on beyond the limit, since the tables must stay in step, but not without end.
const BLOCK_LIMITS = 2;
const EXPANSION_LIMITS = 4;

/** Reads one connection's field blocks. */
export class HeaderFrames {
  /** Stream of the field block that waits for its end; 0 = none. */
  streamId = 0;
  /** When that block began. */
  sinceMs = 0;
  readonly #session: Session;
  #endStream = false;
  #selfDependent = false;
  #block: Uint8Array = NOTHING;
  #blockBytes = 0;
  #continuations = 0;

  /** A reader between field blocks. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** Memory held for a block that waits for its end. */
  get heldBytes(): number {
    return this.#block.length;
  }

  /** A HEADERS frame with its payload `bytes[from..to)` (RFC 9113 §6.2). */
  headers(streamId: number, flags: number, bytes: Uint8Array, from: number, to: number): void {
    const session = this.#session;
    if (streamId === 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0");
    const prefix = ((flags & Flag.PADDED) !== 0 ? 1 : 0) + ((flags & Flag.PRIORITY) !== 0 ? 5 : 0);
    if (to - from < prefix) return session.fail(ErrorCode.FRAME_SIZE_ERROR, "HEADERS that are too short");
    if ((flags & Flag.PADDED) !== 0) to -= bytes[from++]!;
    this.#selfDependent = false;
    if ((flags & Flag.PRIORITY) !== 0) {
      this.#selfDependent = readUint31(bytes, from) === streamId;
      from += 5;
    }
    if (from > to) return session.fail(ErrorCode.PROTOCOL_ERROR, "HEADERS with more padding than frame");
    this.#endStream = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) return this.#decode(streamId, bytes, from, to);
    this.streamId = streamId;
    this.sinceMs = session.nowMs;
    this.#continuations = 0;
    this.#gather(bytes, from, to);
  }

  /** A CONTINUATION frame with its payload `bytes[from..to)` (RFC 9113 §6.10). */
  continuation(streamId: number, flags: number, bytes: Uint8Array, from: number, to: number): void {
    const session = this.#session;
    if (streamId === 0 || streamId !== this.streamId) {
      return session.fail(ErrorCode.PROTOCOL_ERROR, "CONTINUATION that continues nothing");
    }
    if (++this.#continuations > session.options.maxContinuationFrames) {
      return session.failFlood(FloodKind.CONTINUATION, "too many CONTINUATION frames in one field block");
    }
    if (this.#blockBytes + to - from > BLOCK_LIMITS * session.options.maxHeaderBytes) {
      return session.failFlood(FloodKind.HEADER_BYTES, "a field block far over the limit");
    }
    this.#gather(bytes, from, to);
    if ((flags & Flag.END_HEADERS) === 0) return;
    this.streamId = 0;
    const block = this.#block;
    const length = this.#blockBytes;
    this.#block = NOTHING;
    this.#blockBytes = 0;
    this.#decode(streamId, block, 0, length);
  }

  #gather(bytes: Uint8Array, from: number, to: number): void {
    const wanted = this.#blockBytes + to - from;
    if (wanted > this.#block.length) {
      const grown = new Uint8Array(wanted * 2);
      grown.set(this.#block.subarray(0, this.#blockBytes));
      this.#block = grown;
    }
    this.#block.set(bytes.subarray(from, to), this.#blockBytes);
    this.#blockBytes = wanted;
  }

  #decode(streamId: number, bytes: Uint8Array, from: number, to: number): void {
    const session = this.#session;
    const section = session.section;
    section.clear();
    const fault = session.decoder.decode(bytes, from, to, section);
    if (fault !== "") return session.fail(ErrorCode.COMPRESSION_ERROR, `HPACK: ${fault}`);
    if (section.size > EXPANSION_LIMITS * section.limits.maxHeaderBytes) {
      return session.failFlood(FloodKind.HEADER_EXPANSION, "a field section far over the limit once decoded");
    }
    const stream = session.streams.get(streamId);
    if (stream !== undefined) this.#onStream(stream);
    else if (!session.isServer) this.#onUnknownStream(streamId);
    else if (streamId > session.lastPeerStreamId && (streamId & 1) === 1) this.#onNewStream(streamId);
    else this.#onUnknownStream(streamId);
  }

  #onUnknownStream(streamId: number): void {
    const session = this.#session;
    if (session.isIdle(streamId)) return session.fail(ErrorCode.PROTOCOL_ERROR, "HEADERS on an idle stream");
    if (session.wasReset(streamId)) return;
    const code = session.wasEnded(streamId) ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR;
    session.fail(code, "HEADERS on a closed stream");
  }

  #onNewStream(streamId: number): void {
    const session = this.#session;
    const section = session.section;
    session.lastPeerStreamId = streamId;
    if (session.goAwaySteps === 2) {
      if (session.flood.streams.take(session.nowMs)) return session.ignore(streamId);
      return session.failFlood(FloodKind.STREAMS, "too many streams after GOAWAY");
    }
    if (session.streams.size >= session.options.maxConcurrentStreams) {
      if (session.flood.streams.take(session.nowMs)) {
        return session.writeReset(streamId, ErrorCode.REFUSED_STREAM);
      }
      return session.failFlood(FloodKind.STREAMS, "too many streams beyond the limit");
    }
    session.lastProcessedId = streamId;
    if (this.#selfDependent) return session.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
    if (section.overLimit) return refuse(session, streamId, "431", this.#endStream);
    const head = requestHead(section, this.#endStream, session.options.enableConnectProtocol);
    if (typeof head === "string") {
      if (!section.smuggles) return session.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
      refuse(session, streamId, "400", true);
      return session.fail(ErrorCode.PROTOCOL_ERROR, head);
    }
    const stream = session.open(streamId);
    stream.headReceived = true;
    stream.remoteEnded = this.#endStream;
    stream.expectedBytes = section.contentLength;
    session.handler.request(streamId, head, this.#endStream);
    session.removeIfEnded(stream);
  }

  #onStream(stream: Stream): void {
    const session = this.#session;
    if (stream.remoteEnded) return session.failStream(stream.id, ErrorCode.STREAM_CLOSED);
    if (session.section.overLimit) return session.failStream(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
    if (this.#selfDependent) return session.failStream(stream.id, ErrorCode.PROTOCOL_ERROR);
    if (stream.headReceived) this.#onTrailers(stream);
    else this.#onResponse(stream);
  }

  #onTrailers(stream: Stream): void {
    const session = this.#session;
    const section = session.section;
    const malformed = section.malformed !== "" || section.hasPseudo || !this.#endStream ||
      stream.expectedBytes > 0;
    if (malformed) return session.failStream(stream.id, ErrorCode.PROTOCOL_ERROR);
    stream.remoteEnded = true;
    session.handler.trailers(stream.id, allowedTrailers(section.fields));
    session.removeIfEnded(stream);
  }

  #onResponse(stream: Stream): void {
    const session = this.#session;
    const head = responseHead(session.section, this.#endStream);
    if (typeof head === "string") return session.failStream(stream.id, ErrorCode.PROTOCOL_ERROR);
    if (head.status < 200) {
      if (++stream.interimResponses > session.options.maxInterimResponses) {
        return session.failStream(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
      }
      return session.handler.response(stream.id, head, false);
    }
    const length = session.section.contentLength;
    const contentless = stream.headMethod || head.status === 204 || head.status === 304;
    const tunnel = stream.connectMethod && head.status < 300;
    if (this.#endStream && length > 0 && !contentless) {
      return session.failStream(stream.id, ErrorCode.PROTOCOL_ERROR);
    }
    stream.headReceived = true;
    stream.remoteEnded = this.#endStream;
    stream.expectedBytes = contentless ? 0 : tunnel ? -1 : length;
    session.handler.response(stream.id, head, this.#endStream);
    session.removeIfEnded(stream);
  }
}
