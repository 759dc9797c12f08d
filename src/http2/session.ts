/**
 * What all parts of a connection share: the tables, the windows, and the ways a stream or the connection ends.
 *
 * @module
 */

import { ErrorCode, type HttpHandler } from "../wire/http_handler.ts";
import { FieldSection } from "./field_section.ts";
import { FloodGuard, FloodKind } from "./flood.ts";
import { FRAME_HEADER_BYTES, FrameType, INITIAL_WINDOW_BYTES, MAX_31_BITS } from "./frames.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import { HpackEncoder } from "./hpack_encoder.ts";
import type { ResolvedOptions } from "./options.ts";
import { OutputBuffer } from "./output.ts";
import { ReceiveBudget } from "./receive_budget.ts";
import { PeerSettings } from "./settings.ts";
import { BACKEND_SPARE, CLIENT_SPARE, SpareMemory } from "./spare_memory.ts";
import { Stream } from "./stream.ts";

const RECENT_STREAMS = 256;
// More control frames than this in the buffer means that the peer makes us answer and doesn't read.
const UNREAD_CONTROL_MAX_BYTES = 65_536;

/** State of one connection. */
export class Session {
  /** Whether the peer is the client. */
  readonly isServer: boolean;
  /** What waits to be taken. */
  readonly out: OutputBuffer;
  /** Our field blocks. */
  readonly encoder: HpackEncoder;
  /** The peer's field blocks. */
  readonly decoder: HpackDecoder;
  /** The field section that was decoded last. */
  readonly section: FieldSection;
  /** What the peer may still make us do for nothing. */
  readonly flood: FloodGuard;
  /** What the peer may still send us. */
  readonly budget: ReceiveBudget;
  /** The peer's settings. */
  readonly peer: PeerSettings = new PeerSettings();
  /** Open streams by id. */
  readonly streams: Map<number, Stream> = new Map();
  /** Streams with bytes that wait for a window, longest waiting first. */
  readonly blocked: Set<Stream> = new Set();
  /** Sum of the streams' pending bytes, trailers included. */
  pendingBytes = 0;
  /** Content received that the owner holds, of streams that are over, too. */
  heldBytes = 0;
  /** Content bytes that the peer allows us on the whole connection. */
  sendWindow: number = INITIAL_WINDOW_BYTES;
  /** Content bytes that the peer may still send on the whole connection. */
  receiveWindow: number = INITIAL_WINDOW_BYTES;
  /** Highest stream id that the peer has used (server role). */
  lastPeerStreamId = 0;
  /** Highest of them that reached the owner: what GOAWAY names. */
  lastProcessedId = 0;
  /** Client role: id of the next request. */
  nextStreamId = 1;
  /** 0 = none, 1 = announced, 2 = final. */
  goAwaySteps: 0 | 1 | 2 = 0;
  /** The peer's GOAWAY has come. */
  peerGoAway = false;
  /** Our SETTINGS were acknowledged. */
  acknowledged = false;
  /** The connection is over; nothing is read or written any more. */
  over = false;
  /** Time of the call being served. */
  nowMs = 0;
  /** When the peer was last heard. */
  receivedMs = 0;
  /** When our PING left that is still unanswered; -1 = none. */
  pingSentMs: number = -1;
  #resets = new Int32Array(RECENT_STREAMS);
  #resetCount = 0;
  #ended = new Int32Array(RECENT_STREAMS);
  #endedCount = 0;

  /** A connection of which nothing was read or written. */
  constructor(readonly options: ResolvedOptions, readonly handler: HttpHandler) {
    this.isServer = options.role === "server";
    this.out = new OutputBuffer(new SpareMemory(this.isServer ? CLIENT_SPARE : BACKEND_SPARE));
    this.encoder = new HpackEncoder(options.headerTableBytes);
    this.decoder = new HpackDecoder(options.headerTableBytes);
    this.section = new FieldSection(options);
    this.flood = new FloodGuard(options);
    this.budget = new ReceiveBudget(options.maxBufferedBytesPerConnection, options.maxConcurrentStreams);
  }

  /** Ends the connection because of what the peer did (RFC 9113 §5.4.1). Nothing happens the second time. */
  fail(code: number, detail: string, flood?: FloodKind): void {
    if (this.over) return;
    this.over = true;
    this.writeGoAway(this.isServer ? this.lastProcessedId : 0, code);
    this.abandon(code, false);
    this.handler.closed(flood === undefined ? { code, detail } : { code, detail, flood });
  }

  /** Ends the connection with ENHANCE_YOUR_CALM. */
  failFlood(kind: FloodKind, detail: string): void {
    this.fail(ErrorCode.ENHANCE_YOUR_CALM, detail, kind);
  }

  /** Tells the owner of every open stream that it is over. */
  abandon(code: number, byPeer: boolean): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    this.blocked.clear();
    this.pendingBytes = 0;
    for (const stream of streams) stream.closed = true;
    for (const stream of streams) this.handler.reset(stream.id, code, byPeer, this.isUnsent(stream));
  }

  /** Client role: whether not a byte of the request has left. */
  isUnsent(stream: Stream): boolean {
    return !this.isServer && stream.writtenAtTake >= this.out.takes;
  }

  /**
   * Resets a stream because of what the peer did (RFC 9113 §5.4.2), whether it is open or not. Counted, since
   * a peer can make us do this as fast as it can reset streams itself; in the client role only where no request
   * of ours was open, which it can make us do without end.
   */
  failStream(streamId: number, code: number): void {
    const counts = this.isServer || !this.streams.has(streamId);
    if (counts && !this.flood.resetMade.take(this.nowMs)) {
      return this.failFlood(FloodKind.RESET_MADE, "too many streams that had to be reset");
    }
    this.writeReset(streamId, code);
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    const unsent = this.isUnsent(stream);
    this.remove(stream);
    this.handler.reset(streamId, code, false, unsent);
    this.removed();
  }

  /** Writes RST_STREAM and remembers that frames already on their way are to be ignored. */
  writeReset(streamId: number, code: number): void {
    this.out.numberFrame(FrameType.RST_STREAM, streamId, code);
    this.#resets[this.#resetCount++ % RECENT_STREAMS] = streamId;
    this.checkOutput();
  }

  /** Remembers a stream whose frames are to be ignored although it was never opened. */
  ignore(streamId: number): void {
    this.#resets[this.#resetCount++ % RECENT_STREAMS] = streamId;
  }

  /** Whether we reset that stream not long ago. */
  wasReset(streamId: number): boolean {
    return this.#resets.includes(streamId);
  }

  /** Whether that stream ended in good order, or by the peer's reset, not long ago. */
  wasEnded(streamId: number): boolean {
    return this.#ended.includes(streamId);
  }

  /** Whether no frame of that id can have been sent yet (RFC 9113 §5.1, "idle"). */
  isIdle(streamId: number): boolean {
    if (this.isServer) return (streamId & 1) === 0 || streamId > this.lastPeerStreamId;
    return (streamId & 1) === 0 || streamId >= this.nextStreamId;
  }

  /** Puts a new stream into the table. */
  open(streamId: number): Stream {
    const base = this.budget.baseBytes;
    const allowed = this.acknowledged ? base : INITIAL_WINDOW_BYTES;
    const stream = new Stream(streamId, this.peer.initialWindowBytes, allowed, base);
    this.streams.set(streamId, stream);
    this.flood.opened();
    return stream;
  }

  /** Takes a stream out of the table when both sides have ended it. */
  removeIfEnded(stream: Stream): void {
    if (stream.closed || !stream.localEnded || !stream.remoteEnded) return;
    this.remove(stream);
    this.removed();
  }

  /** Takes a stream out of the table; `removed` must follow when the owner knows. */
  remove(stream: Stream): void {
    stream.closed = true;
    this.streams.delete(stream.id);
    this.blocked.delete(stream);
    this.pendingBytes -= stream.pendingBytes + stream.trailerBytes;
    this.budget.close(stream.windowBytes, stream.heldBytes);
    this.#ended[this.#endedCount++ % RECENT_STREAMS] = stream.id;
  }

  /** What follows from a stream having gone: another may start, or the connection may be over. */
  removed(): void {
    if (this.over) return;
    if (!this.isServer) this.handler.ready();
    this.closeIfDone();
  }

  /** Ends the connection in good order when it was announced and no stream is left. */
  closeIfDone(): void {
    const announced = this.goAwaySteps === 2 || (!this.isServer && this.peerGoAway);
    if (this.over || !announced || this.streams.size > 0) return;
    this.over = true;
    this.handler.closed();
  }

  /** Writes GOAWAY without debug data (RFC 9113 §6.8). */
  writeGoAway(lastStreamId: number, code: number): void {
    this.out.frameHeader(8, FrameType.GOAWAY, 0, 0);
    this.out.uint32(lastStreamId);
    this.out.uint32(code);
  }

  /** Gives connection window back as soon as bytes have come; the streams' windows bound what is held. */
  creditConnection(): void {
    const { totalBytes } = this.budget;
    const target = this.acknowledged ? Math.max(INITIAL_WINDOW_BYTES, Math.min(MAX_31_BITS, totalBytes)) : 0;
    const missing = target - this.receiveWindow;
    if (missing < target >> 2 || missing <= 0) return;
    this.receiveWindow += missing;
    this.out.numberFrame(FrameType.WINDOW_UPDATE, 0, missing);
  }

  /** Announces what was taken of a stream once it is a quarter of the window. */
  creditStream(stream: Stream): void {
    if (stream.remoteEnded || stream.creditBytes < stream.windowBytes >> 2) return;
    stream.receiveWindow += stream.creditBytes;
    this.out.numberFrame(FrameType.WINDOW_UPDATE, stream.id, stream.creditBytes);
    stream.creditBytes = 0;
  }

  /**
   * Gives a stream a larger window, by `max` bytes at most, when its content is being taken: to its working size
   * first, and then each time that a whole window was taken. @returns by how much
   */
  growWindow(stream: Stream, max: number): number {
    if (stream.remoteEnded || max <= 0) return 0;
    let grown = 0;
    if (!stream.windowRaised) {
      if (stream.receiveWindow >= stream.windowBytes * 3 / 4) return 0;
      stream.windowRaised = true;
      grown = this.budget.open(max);
    } else if (stream.turnoverBytes >= stream.windowBytes) {
      stream.turnoverBytes = 0;
      grown = this.budget.grow(stream.windowBytes, max);
    }
    stream.windowBytes += grown;
    stream.creditBytes += grown;
    return grown;
  }

  /** Ends the connection when answers pile up that the peer doesn't read. */
  checkOutput(): void {
    if (this.out.controlBytes <= UNREAD_CONTROL_MAX_BYTES + FRAME_HEADER_BYTES) return;
    this.failFlood(FloodKind.UNREAD_OUTPUT, "control frames pile up unread");
  }
}
