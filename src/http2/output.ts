/**
 * The one output buffer of a connection: frames are appended, the owner takes everything at once.
 *
 * @module
 */

import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES } from "./frames.ts";
import { SpareMemory } from "./spare_memory.ts";

const SLAB_BYTES = 4_096;
/** One write: three full DATA frames, which TLS encrypts at once. More waits in further pieces and isn't copied together. */
const PIECE_BYTES = 3 * (FRAME_HEADER_BYTES + MAX_FRAME_BYTES);
const HAND_OVER_BYTES = 16_384;
const NONE = new Uint8Array(0);

/** Memory that is full and waits to be taken. */
interface Piece {
  readonly bytes: Uint8Array;
  /** Those of them that {@linkcode OutputBuffer.controlBytes} counts. */
  readonly controlBytes: number;
}

/**
 * A growing byte buffer that knows frames. Small takes are cut one after the other from one slab, so that a
 * turn with little to say allocates nothing; much output comes in pieces of one size, each of which is handed over
 * whole, and fits wherever it is needed next.
 */
export class OutputBuffer {
  /** The memory that is written to; valid until the next `reserve` or `take`. */
  bytes: Uint8Array = NONE;
  /** Where the next byte goes. */
  end = 0;
  /** How often `take` was called: what was written under an older {@linkcode number} has left. */
  takes = 0;
  /** Bytes of frames other than HEADERS, CONTINUATION and DATA that wait to be taken. */
  controlBytes = 0;
  #start = 0;
  #full: Piece[] = [];
  #fullBytes = 0;
  #fullControlBytes = 0;
  /** What was taken last lies in `bytes`, and wasn't given back. */
  #isShared = false;
  #hint = SLAB_BYTES;
  #lastDataAt = -1;
  #lastDataStreamId = 0;

  /** Nothing is allocated yet. */
  constructor(readonly spare: SpareMemory = new SpareMemory()) {}

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#fullBytes + this.end - this.#start;
  }

  /** The value of {@linkcode takes} until the next byte that is written has been taken. */
  get number(): number {
    return this.takes + this.#full.length;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.end + count > this.bytes.length) this.#grow(count);
  }

  /** What was written since the last call, or as much of it as is written at once; it is the caller's from now on. */
  take(): Uint8Array {
    this.takes++;
    const piece = this.#full.shift();
    if (piece !== undefined) {
      this.#fullBytes -= piece.bytes.length;
      this.#fullControlBytes -= piece.controlBytes;
      this.controlBytes -= piece.controlBytes;
      return piece.bytes;
    }
    const taken = this.bytes.subarray(this.#start, this.end);
    this.controlBytes = 0;
    this.#lastDataAt = -1;
    this.#hint = Math.max(SLAB_BYTES, Math.min(PIECE_BYTES, Math.max(taken.length, this.#hint >> 1)));
    this.#start = this.end;
    this.#isShared = true;
    if (taken.length > HAND_OVER_BYTES || this.bytes.length - this.end < FRAME_HEADER_BYTES) {
      this.bytes = NONE;
      this.#start = this.end = 0;
    }
    return taken;
  }

  /** The memory of the last take may be written to again. */
  giveBack(taken: Uint8Array): void {
    const { buffer } = taken;
    if (buffer !== this.bytes.buffer) return this.spare.give(new Uint8Array(buffer));
    this.#isShared = false;
    if (this.end === this.#start) this.#start = this.end = 0;
  }

  /** Lets go of memory that nothing waits in, for connections that went quiet. */
  release(): void {
    this.spare.release();
    if (this.length > 0) return;
    this.bytes = NONE;
    this.#start = this.end = 0;
  }

  /** Appends a frame header; the payload is the caller's to write next. */
  frameHeader(length: number, type: number, flags: number, streamId: number): void {
    this.reserve(FRAME_HEADER_BYTES + length);
    this.#lastDataAt = -1;
    this.#writeHeader(this.end, length, type, flags, streamId);
    this.end += FRAME_HEADER_BYTES;
  }

  /** Appends a frame that isn't HEADERS, CONTINUATION or DATA and whose payload is one 32-bit number. */
  numberFrame(type: number, streamId: number, value: number): void {
    this.frameHeader(4, type, 0, streamId);
    this.uint32(value);
    this.controlBytes += FRAME_HEADER_BYTES + 4;
  }

  /** Appends a control frame with a ready payload. */
  controlFrame(type: number, flags: number, payload: Uint8Array): void {
    this.frameHeader(payload.length, type, flags, 0);
    this.bytes.set(payload, this.end);
    this.end += payload.length;
    this.controlBytes += FRAME_HEADER_BYTES + payload.length;
  }

  /** Appends a 32-bit number. Room must have been reserved. */
  uint32(value: number): void {
    const { bytes, end } = this;
    bytes[end] = value >>> 24;
    bytes[end + 1] = value >>> 16;
    bytes[end + 2] = value >>> 8;
    bytes[end + 3] = value;
    this.end = end + 4;
  }

  /**
   * Appends content as DATA frames of at most 16,384 bytes. Where the last frame in the buffer is DATA of the
   * same stream it is extended, so that content that arrives in crumbs doesn't leave in crumbs. Returns the
   * number of frames begun.
   */
  data(streamId: number, content: Uint8Array, from: number, to: number, end: boolean): number {
    let frames = 0;
    let at = from;
    if (this.#lastDataAt >= 0 && this.#lastDataStreamId === streamId) {
      const held = this.end - this.#start - this.#lastDataAt - FRAME_HEADER_BYTES;
      // Behind what the piece has room for the frame can't go on: its header has to stay where it is.
      const room = Math.max(0, PIECE_BYTES - (this.end - this.#start));
      const count = Math.min(MAX_FRAME_BYTES - held, to - at, room);
      if (count > 0) {
        this.reserve(count);
        this.#copy(content, at, at + count);
        at += count;
      }
      const last = end && at === to;
      const header = this.#start + this.#lastDataAt;
      this.#writeHeader(header, held + count, FrameType.DATA, last ? Flag.END_STREAM : 0, streamId);
      if (at === to) return 0;
    }
    do {
      const count = Math.min(MAX_FRAME_BYTES, to - at);
      const last = end && at + count === to;
      if (this.end - this.#start + FRAME_HEADER_BYTES + count > PIECE_BYTES) this.#seal();
      this.frameHeader(count, FrameType.DATA, last ? Flag.END_STREAM : 0, streamId);
      this.#lastDataAt = this.end - FRAME_HEADER_BYTES - this.#start;
      this.#lastDataStreamId = streamId;
      this.#copy(content, at, at + count);
      at += count;
      frames++;
    } while (at < to);
    return frames;
  }

  /**
   * Turns everything since `beginHeaders` gave `mark` into a HEADERS frame and, where the field block is longer
   * than a frame, CONTINUATION frames.
   */
  sealHeaders(mark: number, streamId: number, endStream: boolean): void {
    const at = this.#start + mark;
    const endFlag = endStream ? Flag.END_STREAM : 0;
    const blockAt = at + FRAME_HEADER_BYTES;
    const length = this.end - blockAt;
    this.#lastDataAt = -1;
    if (length <= MAX_FRAME_BYTES) {
      this.#writeHeader(at, length, FrameType.HEADERS, Flag.END_HEADERS | endFlag, streamId);
      return;
    }
    const rest = this.bytes.slice(blockAt + MAX_FRAME_BYTES, this.end);
    this.#writeHeader(at, MAX_FRAME_BYTES, FrameType.HEADERS, endFlag, streamId);
    this.end = blockAt + MAX_FRAME_BYTES;
    for (let from = 0; from < rest.length; from += MAX_FRAME_BYTES) {
      const to = Math.min(rest.length, from + MAX_FRAME_BYTES);
      const flags = to === rest.length ? Flag.END_HEADERS : 0;
      this.frameHeader(to - from, FrameType.CONTINUATION, flags, streamId);
      this.#copy(rest, from, to);
    }
  }

  /** Leaves a frame header's room, to be filled by `sealHeaders`, which wants the returned mark. */
  beginHeaders(): number {
    this.reserve(FRAME_HEADER_BYTES);
    this.#lastDataAt = -1;
    const mark = this.end - this.#start;
    this.end += FRAME_HEADER_BYTES;
    return mark;
  }

  #copy(content: Uint8Array, from: number, to: number): void {
    const whole = from === 0 && to === content.length;
    this.bytes.set(whole ? content : content.subarray(from, to), this.end);
    this.end += to - from;
  }

  #writeHeader(at: number, length: number, type: number, flags: number, streamId: number): void {
    const bytes = this.bytes;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >>> 24;
    bytes[at + 6] = streamId >>> 16;
    bytes[at + 7] = streamId >>> 8;
    bytes[at + 8] = streamId;
  }

  #grow(count: number): void {
    const held = this.end - this.#start;
    const size = Math.max(held + count, Math.min(held * 2, PIECE_BYTES), this.#hint);
    const grown = this.spare.take(size) ?? new Uint8Array(size);
    if (held > 0) grown.set(this.bytes.subarray(this.#start, this.end));
    if (!this.#isShared) this.spare.give(this.bytes);
    this.#isShared = false;
    this.bytes = grown;
    this.#start = 0;
    this.end = held;
  }

  /** What was written so far is taken as it lies; what comes next goes to other memory. */
  #seal(): void {
    if (this.#isShared) return;
    const bytes = this.bytes.subarray(this.#start, this.end);
    this.#full.push({ bytes, controlBytes: this.controlBytes - this.#fullControlBytes });
    this.#fullControlBytes = this.controlBytes;
    this.#fullBytes += bytes.length;
    this.#lastDataAt = -1;
    this.#hint = PIECE_BYTES;
    this.bytes = NONE;
    this.#start = this.end = 0;
  }
}
