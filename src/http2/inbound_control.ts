/**
 * Frames that carry no message: PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, and those of
 * unknown types.
 *
 * @module
 */

import { ErrorCode } from "../wire/http_handler.ts";
import { FloodKind } from "./flood.ts";
import { Flag, FrameType, INITIAL_WINDOW_BYTES, MAX_31_BITS, readUint31, readUint32 } from "./frames.ts";
import { flushAll, flushStream } from "./outbound.ts";
import type { Session } from "./session.ts";

/** Opaque data of our own PINGs; only its answer counts as a sign of life. */
export const PING_DATA: Uint8Array = Uint8Array.from("mc-proxy", (char) => char.charCodeAt(0));

const NOTHING = new Uint8Array(0);

/** Reads one connection's control frames. */
export class ControlFrames {
  readonly #session: Session;

  /** A reader for that connection. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** A whole frame that is neither DATA, HEADERS nor CONTINUATION, with its payload `bytes[from..to)`. */
  frame(type: number, flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): void {
    const session = this.#session;
    if (type === FrameType.WINDOW_UPDATE) this.#windowUpdate(streamId, bytes, from, to - from);
    else if (type === FrameType.RST_STREAM) this.#resetStream(streamId, bytes, from, to - from);
    else if (type === FrameType.SETTINGS) this.#settings(flags, streamId, bytes, from, to);
    else if (type === FrameType.PING) this.#ping(flags, streamId, bytes, from, to);
    else if (type === FrameType.GOAWAY) this.#goAway(streamId, bytes, from, to - from);
    else if (type === FrameType.PUSH_PROMISE) {
      session.fail(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, never allowed");
    } else this.#other(type, streamId, bytes, from, to - from);
  }

  #windowUpdate(streamId: number, bytes: Uint8Array, from: number, length: number): void {
    const session = this.#session;
    if (length !== 4) {
      return session.fail(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE that isn't four bytes long");
    }
    if (!session.flood.windowUpdate.take(session.nowMs)) {
      return session.failFlood(FloodKind.WINDOW_UPDATE, "too many WINDOW_UPDATE frames");
    }
    const increment = readUint31(bytes, from);
    if (streamId === 0) {
      if (increment === 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing");
      session.sendWindow += increment;
      if (session.sendWindow > MAX_31_BITS) {
        return session.fail(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window over 2^31-1");
      }
      return flushAll(session);
    }
    const stream = session.streams.get(streamId);
    if (stream === undefined) {
      if (session.isIdle(streamId)) session.fail(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return;
    }
    if (increment === 0) return session.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_31_BITS) return session.failStream(streamId, ErrorCode.FLOW_CONTROL_ERROR);
    flushStream(session, stream);
  }

  #resetStream(streamId: number, bytes: Uint8Array, from: number, length: number): void {
    const session = this.#session;
    if (length !== 4) {
      return session.fail(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM that isn't four bytes long");
    }
    if (streamId === 0 || session.isIdle(streamId)) {
      return session.fail(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on stream 0 or an idle stream");
    }
    if (session.isServer && !session.flood.reset.take(session.nowMs)) {
      return session.failFlood(FloodKind.RESET, "too many streams reset by the peer");
    }
    const stream = session.streams.get(streamId);
    if (stream === undefined) return;
    const code = readUint32(bytes, from);
    const safe = !session.isServer && (code === ErrorCode.REFUSED_STREAM || session.isUnsent(stream));
    session.remove(stream);
    session.handler.reset(streamId, code, true, safe);
    session.removed();
  }

  #settings(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): void {
    const session = this.#session;
    if (streamId !== 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    if (!session.flood.settings.take(session.nowMs)) {
      return session.failFlood(FloodKind.SETTINGS, "too many SETTINGS frames");
    }
    if ((flags & Flag.ACK) !== 0) {
      if (to > from) return session.fail(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS ACK with a payload");
      return this.#acknowledged();
    }
    if ((to - from) % 6 !== 0) return session.fail(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of an odd length");
    const windowBefore = session.peer.initialWindowBytes;
    const fault = session.peer.apply(bytes, from, to, !session.isServer);
    if (fault !== undefined) return session.fail(fault.code, fault.detail);
    session.encoder.setPeerTableBytes(session.peer.lowestHeaderTableBytes);
    session.encoder.setPeerTableBytes(session.peer.headerTableBytes);
    session.out.controlFrame(FrameType.SETTINGS, Flag.ACK, NOTHING);
    session.checkOutput();
    const change = session.peer.initialWindowBytes - windowBefore;
    for (const stream of change === 0 ? [] : session.streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_31_BITS) {
        return session.fail(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS that raise a window over 2^31-1");
      }
    }
    if (change > 0) flushAll(session);
    if (!session.isServer && !session.over) session.handler.ready();
  }

  #acknowledged(): void {
    const session = this.#session;
    if (session.acknowledged) return;
    session.acknowledged = true;
    session.decoder.acknowledged();
    const change = session.budget.baseBytes - INITIAL_WINDOW_BYTES;
    for (const stream of session.streams.values()) stream.receiveWindow += change;
    session.creditConnection();
  }

  #ping(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): void {
    const session = this.#session;
    if (to - from !== 8) return session.fail(ErrorCode.FRAME_SIZE_ERROR, "PING that isn't eight bytes long");
    if (streamId !== 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    if (!session.flood.ping.take(session.nowMs)) {
      return session.failFlood(FloodKind.PING, "too many PING frames");
    }
    const data = bytes.subarray(from, to);
    if ((flags & Flag.ACK) !== 0) {
      if (PING_DATA.every((byte, index) => byte === data[index])) session.pingSentMs = -1;
      return;
    }
    session.out.controlFrame(FrameType.PING, Flag.ACK, data);
    session.checkOutput();
  }

  #goAway(streamId: number, bytes: Uint8Array, from: number, length: number): void {
    const session = this.#session;
    if (streamId !== 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
    if (length < 8) return session.fail(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY that is too short");
    if (!session.flood.settings.take(session.nowMs)) {
      return session.failFlood(FloodKind.SETTINGS, "too many GOAWAY frames");
    }
    const lastStreamId = readUint31(bytes, from);
    const code = readUint32(bytes, from + 4);
    session.peerGoAway = true;
    session.handler.goAway(lastStreamId, code);
    if (session.isServer) return;
    for (const stream of [...session.streams.values()]) {
      if (stream.id <= lastStreamId || stream.closed) continue;
      session.remove(stream);
      session.handler.reset(stream.id, ErrorCode.REFUSED_STREAM, true, true);
    }
    session.removed();
  }

  #other(type: number, streamId: number, bytes: Uint8Array, from: number, length: number): void {
    const session = this.#session;
    if (!session.flood.priority.take(session.nowMs)) {
      return session.failFlood(FloodKind.PRIORITY, "too many PRIORITY frames or frames of unknown types");
    }
    if (type !== FrameType.PRIORITY) return;
    if (streamId === 0) return session.fail(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0");
    const code = length !== 5
      ? ErrorCode.FRAME_SIZE_ERROR
      : readUint31(bytes, from) === streamId
      ? ErrorCode.PROTOCOL_ERROR
      : ErrorCode.NO_ERROR;
    if (code === ErrorCode.NO_ERROR) return;
    // RST_STREAM may not be sent for an idle stream (RFC 9113 §6.4).
    if (session.isIdle(streamId)) session.fail(code, "a malformed PRIORITY on an idle stream");
    else session.failStream(streamId, code);
  }
}
