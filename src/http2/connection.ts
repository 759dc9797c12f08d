/**
 * HTTP/2 (RFC 9113) without IO, both roles: bytes in → calls on a handler, calls → bytes out.
 *
 * @module
 */

import {
  ErrorCode,
  type Fields,
  type HttpConnection,
  type HttpHandler,
  type RequestHead,
  type ResponseHead,
} from "../wire/http_handler.ts";
import type { FloodKind } from "./flood.ts";
import { FrameType, MAX_31_BITS, PREFACE } from "./frames.ts";
import { Inbound } from "./inbound.ts";
import { PING_DATA } from "./inbound_control.ts";
import { type Http2Options, resolveOptions } from "./options.ts";
import { sendData, sendRequest, sendResponse, sendTrailers } from "./outbound.ts";
import { Session } from "./session.ts";
import { ownSettings } from "./settings.ts";

/**
 * One HTTP/2 connection. The preface and SETTINGS are in the output from the start. Besides the shape that it
 * shares with HTTP/1.1 it has {@linkcode tick}, for what is due when nothing arrives.
 */
export class Http2Connection implements HttpConnection {
  readonly #session: Session;
  readonly #inbound: Inbound;
  #startedMs = -1;

  /** A connection on which nothing was read yet. `handler` gets every call of its life. */
  constructor(handler: HttpHandler, options: Http2Options) {
    const session = new Session(resolveOptions(options), handler);
    this.#session = session;
    this.#inbound = new Inbound(session);
    const { out } = session;
    if (!session.isServer) {
      out.reserve(PREFACE.length);
      out.bytes.set(PREFACE, out.end);
      out.end += PREFACE.length;
    }
    out.controlFrame(FrameType.SETTINGS, 0, ownSettings(session.options, session.budget.baseBytes));
  }

  /** Feeds bytes; see {@linkcode HttpConnection.receive}. */
  receive(bytes: Uint8Array, nowMs: number): void {
    const session = this.#session;
    if (session.over) return;
    session.nowMs = session.receivedMs = nowMs;
    if (this.#startedMs < 0) this.#startedMs = nowMs;
    this.#inbound.receive(bytes);
  }

  /** The peer has finished sending: open streams are reset as by the peer, and the connection is over. */
  receiveEnd(nowMs: number): void {
    const session = this.#session;
    if (session.over) return;
    session.nowMs = nowMs;
    session.over = true;
    const cut = session.streams.size > 0 || this.#inbound.midFrame;
    const code = session.isServer ? ErrorCode.CANCEL : ErrorCode.INTERNAL_ERROR;
    session.abandon(code, true);
    session.handler.closed(
      cut ? { code, detail: "the peer closed in the middle of a stream or frame" } : undefined,
    );
  }

  /**
   * Time has passed. Call it now and then, once a second say: it ends a connection whose peer answers neither
   * SETTINGS nor the keep-alive PING in time, sends that PING when it is due, and frees idle memory.
   */
  tick(nowMs: number): void {
    const session = this.#session;
    const { options } = session;
    if (session.over) return;
    session.nowMs = nowMs;
    if (this.#startedMs < 0) this.#startedMs = session.receivedMs = nowMs;
    if (!session.acknowledged && nowMs - this.#startedMs > options.settingsTimeoutMs) {
      return session.fail(ErrorCode.SETTINGS_TIMEOUT, "the peer did not acknowledge SETTINGS in time");
    }
    if (session.pingSentMs >= 0) {
      if (nowMs - Math.max(session.pingSentMs, session.receivedMs) <= options.pingTimeoutMs) return;
      return session.fail(ErrorCode.NO_ERROR, "the peer did not answer a PING in time");
    }
    if (options.pingIntervalMs > 0 && nowMs - session.receivedMs >= options.pingIntervalMs) {
      session.out.controlFrame(FrameType.PING, 0, PING_DATA);
      session.pingSentMs = nowMs;
    }
    session.out.release();
  }

  /** Whether `takeOutput` would return bytes. */
  get hasOutput(): boolean {
    return this.#session.out.length > 0;
  }

  /** Takes what is to be written; of much content what one write takes. */
  takeOutput(): Uint8Array {
    return this.#session.out.take();
  }

  /** Takes the memory of the last output back; see {@linkcode HttpConnection.giveBack}. */
  giveBack(output: Uint8Array): void {
    this.#session.out.giveBack(output);
  }

  /**
   * Client role: starts a request. `undefined` when no stream is free, or when `head.protocol` is given and the
   * peer has not announced extended CONNECT.
   */
  request(head: RequestHead, end: boolean): number | undefined {
    const session = this.#session;
    if (!this.canRequest) return undefined;
    if (head.protocol !== undefined && !session.peer.enableConnectProtocol) return undefined;
    const stream = session.open(session.nextStreamId);
    session.nextStreamId += 2;
    sendRequest(session, stream, head, end);
    return stream.id;
  }

  /** Server role: answers, or sends an interim response. */
  response(streamId: number, head: ResponseHead, end: boolean): void {
    const stream = this.#session.streams.get(streamId);
    if (stream !== undefined) sendResponse(this.#session, stream, head, end);
  }

  /** Sends content; a copy of what the peer's windows don't allow yet is kept. */
  data(streamId: number, bytes: Uint8Array, end: boolean): void {
    const stream = this.#session.streams.get(streamId);
    if (stream !== undefined) sendData(this.#session, stream, bytes, end);
  }

  /** Sends the trailer section, behind content that still waits. */
  trailers(streamId: number, fields: Fields): void {
    const stream = this.#session.streams.get(streamId);
    if (stream !== undefined) sendTrailers(this.#session, stream, fields);
  }

  /** Resets a stream; what waits on it is thrown away, and what the owner holds of it counts as taken. */
  reset(streamId: number, code: number): void {
    const session = this.#session;
    const stream = session.streams.get(streamId);
    if (stream === undefined) return;
    session.heldBytes -= stream.heldBytes;
    stream.heldBytes = 0;
    session.remove(stream);
    session.writeReset(streamId, code);
    session.removed();
  }

  /**
   * Bytes of `data` were taken. Call it for streams that have ended too: what the owner still holds of them
   * counts against the windows that other streams can get.
   *
   * @param growthMax by how much the stream's window may grow at most; default: as the connection's budget allows
   * @returns by how much it has grown
   */
  credit(streamId: number, flowBytes: number, growthMax: number = Infinity): number {
    const session = this.#session;
    const stream = session.streams.get(streamId);
    if (stream === undefined) {
      session.heldBytes -= session.budget.credit(flowBytes);
      return 0;
    }
    const bytes = Math.min(flowBytes, stream.heldBytes);
    session.heldBytes -= bytes;
    stream.heldBytes -= bytes;
    stream.creditBytes += bytes;
    stream.turnoverBytes += bytes;
    const grown = session.growWindow(stream, growthMax);
    session.creditStream(stream);
    return grown;
  }

  /** Content received that the owner hasn't credited yet, in bytes. */
  get heldBytes(): number {
    return this.#session.heldBytes;
  }

  /** Content accepted by `data` that waits for the peer's windows, for one stream. */
  pending(streamId: number): number {
    return this.#session.streams.get(streamId)?.pendingBytes ?? 0;
  }

  /**
   * Graceful end (RFC 9113 §6.8). Server: the first call announces it and still takes new streams, the second
   * fixes the last one; a `code` other than NO_ERROR fixes it at once. Client: no new requests. When the last
   * stream is over the handler is told `closed`.
   */
  goAway(code: number): void {
    const session = this.#session;
    if (session.over || session.goAwaySteps === 2) return;
    const announce = session.isServer && session.goAwaySteps === 0 && code === ErrorCode.NO_ERROR;
    session.goAwaySteps = announce ? 1 : 2;
    const last = announce ? MAX_31_BITS : session.isServer ? session.lastProcessedId : 0;
    session.writeGoAway(last, code);
    session.closeIfDone();
  }

  /** Ends the connection at once, with GOAWAY, for what the peer did or didn't; `flood` names a kind of flood. */
  abort(code: number, detail: string, flood?: FloodKind): void {
    this.#session.fail(code, detail, flood);
  }

  /** Whether the peer's preface and SETTINGS have come. */
  get hasBegun(): boolean {
    return this.#inbound.sawSettings;
  }

  /** Whether the peer has acknowledged our SETTINGS: until then `tick` has to be called. */
  get isAcknowledged(): boolean {
    return this.#session.acknowledged;
  }

  /** Since when a frame (but the content of DATA) or a field block has been waiting for its end; 0 = none is. */
  get partialSinceMs(): number {
    return this.#inbound.partialSinceMs;
  }

  /** Streams open now. */
  get openStreams(): number {
    return this.#session.streams.size;
  }

  /** Client role: whether `request` would get a stream now. */
  get canRequest(): boolean {
    const { isServer, over, goAwaySteps, peerGoAway, streams, peer, options, nextStreamId } = this.#session;
    if (isServer || over || goAwaySteps > 0 || peerGoAway || nextStreamId > MAX_31_BITS) return false;
    return streams.size < Math.min(peer.maxConcurrentStreams, options.maxConcurrentStreams);
  }

  /** True: the windows, not the socket, stop the peer; see {@linkcode HttpConnection.wantsInput}. */
  get wantsInput(): boolean {
    return true;
  }

  /** False: streams end, never one direction of the connection; see {@linkcode HttpConnection.outputEnded}. */
  get outputEnded(): boolean {
    return false;
  }

  /** Client role: whether the peer has announced extended CONNECT (RFC 8441). */
  get canExtendedConnect(): boolean {
    return this.#session.peer.enableConnectProtocol;
  }

  /**
   * Memory held on behalf of the peer, in bytes: output not yet taken, content and trailers that wait for its
   * windows, and unfinished frames. HPACK tables come on top, by their own limit.
   */
  get bufferedBytes(): number {
    return this.#session.out.length + this.#session.pendingBytes + this.#inbound.heldBytes;
  }

  /** The part of that which waits to be taken, whatever the windows. */
  get outputBytes(): number {
    return this.#session.out.length;
  }
}
