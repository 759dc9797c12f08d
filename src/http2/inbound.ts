/**
 * Bytes to frames: the preface, frame borders, and DATA, which is passed on while it arrives. All other frames
 * are gathered whole, which the frame size limit bounds.
 *
 * @module
 */

import { ErrorCode } from "../wire/http_handler.ts";
import { FloodKind } from "./flood.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES } from "./frames.ts";
import { PREFACE, readUint24, readUint31 } from "./frames.ts";
import { ControlFrames } from "./inbound_control.ts";
import { HeaderFrames } from "./inbound_headers.ts";
import type { Session } from "./session.ts";
import type { Stream } from "./stream.ts";

const NOTHING = new Uint8Array(0);

/** Reads one connection's bytes. */
export class Inbound {
  readonly #session: Session;
  readonly #headers: HeaderFrames;
  readonly #control: ControlFrames;
  /** The first frame has come. */
  sawSettings = false;
  #prefaceBytes = 0;
  #stash: Uint8Array = NOTHING;
  #stashBytes = 0;
  #stashedSinceMs = 0;
  /** The DATA frame being read: its stream (none = thrown away), what is left of it, and its END_STREAM. */
  #dataStream: Stream | undefined;
  #contentLeft = 0;
  #paddingLeft = 0;
  #dataEnds = false;

  /** A reader at the beginning of the connection. */
  constructor(session: Session) {
    this.#session = session;
    this.#headers = new HeaderFrames(session);
    this.#control = new ControlFrames(session);
    if (!session.isServer) this.#prefaceBytes = PREFACE.length;
  }

  /** Whether bytes of an unfinished frame are held. */
  get midFrame(): boolean {
    return this.#stashBytes > 0 || this.#contentLeft + this.#paddingLeft > 0 || this.#headers.streamId !== 0;
  }

  /** Since when a frame or field block has been waiting for its end, the content of DATA aside; 0 = none is. */
  get partialSinceMs(): number {
    if (this.#headers.streamId !== 0) return this.#headers.sinceMs;
    return this.#stashBytes > 0 ? this.#stashedSinceMs : 0;
  }

  /** Memory held for unfinished frames and field blocks. */
  get heldBytes(): number {
    return this.#stash.length + this.#headers.heldBytes;
  }

  /** Reads all of `bytes`, or up to the fault that ends the connection. */
  receive(bytes: Uint8Array): void {
    let at = this.#prefaceBytes < PREFACE.length ? this.#preface(bytes) : 0;
    while (at < bytes.length && !this.#session.over) {
      if (this.#contentLeft + this.#paddingLeft > 0) at = this.#continueData(bytes, at);
      else if (this.#stashBytes > 0) at = this.#fillStash(bytes, at);
      else at = this.#frame(bytes, at);
    }
  }

  #preface(bytes: Uint8Array): number {
    let at = 0;
    while (this.#prefaceBytes < PREFACE.length && at < bytes.length) {
      if (bytes[at++] !== PREFACE[this.#prefaceBytes++]) {
        this.#session.fail(ErrorCode.PROTOCOL_ERROR, "not the HTTP/2 connection preface");
        return bytes.length;
      }
    }
    return at;
  }

  /** Reads the frame at `at` in place, or stashes what there is of it. Returns where to go on. */
  #frame(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    const needed = available < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : this.#needed(bytes, at);
    if (needed < 0) return bytes.length;
    if (available >= needed) {
      this.#dispatch(bytes, at);
      return at + needed;
    }
    this.#stashMore(bytes, at, bytes.length);
    return bytes.length;
  }

  #fillStash(bytes: Uint8Array, at: number): number {
    const wanted = this.#stashBytes < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : this.#needed(this.#stash, 0);
    const to = Math.min(bytes.length, at + wanted - this.#stashBytes);
    this.#stashMore(bytes, at, to);
    if (this.#stashBytes < FRAME_HEADER_BYTES) return to;
    const needed = this.#needed(this.#stash, 0);
    if (needed < 0) return bytes.length;
    if (this.#stashBytes < needed) return to;
    this.#stashBytes = 0;
    this.#dispatch(this.#stash, 0);
    if (this.#stash.length > 1_024) this.#stash = NOTHING;
    return to;
  }

  /** Bytes that must be there before the frame at `at` can be read: for DATA only up to its content. */
  #needed(bytes: Uint8Array, at: number): number {
    const length = readUint24(bytes, at);
    if (length > MAX_FRAME_BYTES) {
      this.#session.fail(ErrorCode.FRAME_SIZE_ERROR, "a frame longer than SETTINGS_MAX_FRAME_SIZE");
      return -1;
    }
    if (bytes[at + 3] !== FrameType.DATA) return FRAME_HEADER_BYTES + length;
    return FRAME_HEADER_BYTES + (length > 0 && (bytes[at + 4]! & Flag.PADDED) !== 0 ? 1 : 0);
  }

  #stashMore(bytes: Uint8Array, from: number, to: number): void {
    const wanted = this.#stashBytes + to - from;
    if (this.#stashBytes === 0) this.#stashedSinceMs = this.#session.nowMs;
    if (wanted > this.#stash.length) {
      const grown = new Uint8Array(Math.max(64, Math.min(wanted * 2, MAX_FRAME_BYTES + FRAME_HEADER_BYTES)));
      grown.set(this.#stash.subarray(0, this.#stashBytes));
      this.#stash = grown;
    }
    this.#stash.set(bytes.subarray(from, to), this.#stashBytes);
    this.#stashBytes = wanted;
  }

  #dispatch(bytes: Uint8Array, at: number): void {
    const session = this.#session;
    const length = readUint24(bytes, at);
    const type = bytes[at + 3]!;
    const flags = bytes[at + 4]!;
    const streamId = readUint31(bytes, at + 5);
    const from = at + FRAME_HEADER_BYTES;
    if (!this.sawSettings) {
      if (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0) {
        return session.fail(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
      }
      this.sawSettings = true;
    }
    if (this.#headers.streamId !== 0 && type !== FrameType.CONTINUATION) {
      return session.fail(ErrorCode.PROTOCOL_ERROR, "a frame inside a field block");
    }
    if (type === FrameType.DATA) {
      this.#beginData(streamId, flags, length, from < bytes.length ? bytes[from]! : 0);
    } else if (type === FrameType.HEADERS) this.#headers.headers(streamId, flags, bytes, from, from + length);
    else if (type === FrameType.CONTINUATION) {
      this.#headers.continuation(streamId, flags, bytes, from, from + length);
    } else this.#control.frame(type, flags, streamId, bytes, from, from + length);
  }

  /** Checks a DATA frame by its header alone: everything but the bytes is known there. */
  #beginData(streamId: number, flags: number, length: number, firstByte: number): void {
    const session = this.#session;
    const padded = (flags & Flag.PADDED) !== 0;
    const padding = padded ? firstByte + 1 : 0;
    if (streamId === 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "DATA on stream 0");
    if (padded && length === 0) {
      return session.fail(ErrorCode.FRAME_SIZE_ERROR, "padded DATA without a length");
    }
    if (padding > length) return session.fail(ErrorCode.PROTOCOL_ERROR, "DATA with more padding than frame");
    if (session.isIdle(streamId)) return session.fail(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream");
    if (length > session.receiveWindow) {
      return session.fail(ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the connection's window");
    }
    session.receiveWindow -= length;
    session.creditConnection();
    const content = length - padding;
    const ends = (flags & Flag.END_STREAM) !== 0;
    const isEmpty = content === 0 && !(ends && session.streams.has(streamId));
    if (isEmpty && !session.flood.emptyData.take(session.nowMs)) {
      return session.failFlood(FloodKind.EMPTY_DATA, "too many DATA frames without content");
    }
    this.#contentLeft = content;
    this.#paddingLeft = padded ? padding - 1 : 0;
    this.#dataEnds = ends;
    this.#dataStream = this.#acceptData(streamId, length, content, ends);
    if (this.#contentLeft + this.#paddingLeft === 0 && this.#dataStream !== undefined && ends) {
      this.#endStream();
    }
  }

  /** The stream that takes this DATA frame, or `undefined` when it is to be thrown away. */
  #acceptData(streamId: number, length: number, content: number, ends: boolean): Stream | undefined {
    const session = this.#session;
    const stream = session.streams.get(streamId);
    let code: number;
    if (stream === undefined) {
      if (session.wasReset(streamId)) return undefined;
      code = ErrorCode.STREAM_CLOSED;
    } else if (stream.remoteEnded) code = ErrorCode.STREAM_CLOSED;
    else if (!stream.headReceived) code = ErrorCode.PROTOCOL_ERROR;
    else if (length > stream.receiveWindow) code = ErrorCode.FLOW_CONTROL_ERROR;
    else if (
      stream.expectedBytes >= 0 && (ends ? content !== stream.expectedBytes : content > stream.expectedBytes)
    ) {
      code = ErrorCode.PROTOCOL_ERROR;
    } else {
      if (stream.expectedBytes >= 0) stream.expectedBytes -= content;
      stream.receiveWindow -= length;
      if (content < length) {
        stream.creditBytes += length - content;
        session.creditStream(stream);
      }
      return stream;
    }
    session.failStream(streamId, code);
    return undefined;
  }

  #continueData(bytes: Uint8Array, from: number): number {
    const available = bytes.length - from;
    const content = Math.min(available, this.#contentLeft);
    const padding = Math.min(available - content, this.#paddingLeft);
    this.#contentLeft -= content;
    this.#paddingLeft -= padding;
    const stream = this.#dataStream;
    if (stream === undefined || stream.closed) return from + content + padding;
    const whole = this.#contentLeft + this.#paddingLeft === 0;
    const ends = whole && this.#dataEnds;
    if (content > 0) {
      stream.heldBytes += content;
      this.#session.heldBytes += content;
      if (ends) stream.remoteEnded = true;
      this.#session.handler.data(stream.id, bytes.subarray(from, from + content), content, ends);
      if (ends) this.#session.removeIfEnded(stream);
    } else if (ends) this.#endStream();
    return from + content + padding;
  }

  #endStream(): void {
    const stream = this.#dataStream!;
    stream.remoteEnded = true;
    this.#session.handler.data(stream.id, NOTHING, 0, true);
    this.#session.removeIfEnded(stream);
  }
}
