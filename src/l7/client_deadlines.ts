/**
 * What is late on a client's connection.
 *
 * @module
 */

import { Http2Connection } from "../http2/connection.ts";
import type { Limits } from "../state/limits.ts";
import type { ClientCodec } from "./client_codec.ts";
import type { Exchange } from "./exchange.ts";

/** Since when a client has been sending the beginning of something; see {@linkcode HeadClock.sinceMs}. */
export class HeadClock {
  readonly #startedMs: number;
  #http1SinceMs = 0;
  #requests = 0;

  /** A connection that has just begun. */
  constructor(nowMs: number) {
    this.#startedMs = nowMs;
  }

  /** Bytes have come. @param requests how many heads have come in all */
  fed(codec: ClientCodec, requests: number, nowMs: number): void {
    if (codec instanceof Http2Connection) return;
    if (!codec.isHeadPartial) this.#http1SinceMs = 0;
    // Of requests in a row one may be cut by every read: each head has its own time.
    else if (this.#http1SinceMs === 0 || requests !== this.#requests) this.#http1SinceMs = nowMs;
    this.#requests = requests;
  }

  /**
   * Since when what stands before any request, or its head, has been waiting for its end: in HTTP/2 the preface and
   * SETTINGS, and any frame or field block, which all streams wait for. 0 = nothing is.
   */
  sinceMs(codec: ClientCodec): number {
    if (!(codec instanceof Http2Connection)) return this.#http1SinceMs;
    return codec.hasBegun ? codec.partialSinceMs : this.#startedMs;
  }
}

/** Ends what is late about a request. */
export function lookAt(exchange: Exchange, limits: Limits, nowMs: number): void {
  expireIfLate(exchange, limits, nowMs);
  exchange.look();
}

/** Refuses a request whose backend or client has been silent for too long. */
function expireIfLate(exchange: Exchange, limits: Limits, nowMs: number): void {
  const { responseHeaderTimeoutMs, streamIdleTimeoutMs } = limits;
  // A handshake's head is all of its request: what the client sends behind it belongs to the tunnel.
  const waitsSinceMs = exchange.upgrade === undefined ? exchange.requestEndedMs : exchange.startedMs;
  const waitsForHead = exchange.status === 0 && waitsSinceMs > 0 && !exchange.isGrpc;
  if (waitsForHead && responseHeaderTimeoutMs > 0) {
    if (nowMs - waitsSinceMs >= responseHeaderTimeoutMs) return exchange.refuse(504);
  }
  if (streamIdleTimeoutMs === 0 || nowMs - exchange.lastMs < streamIdleTimeoutMs) return;
  if ((exchange.isGrpc || exchange.isTunnel) && !exchange.isBlocked) return;
  exchange.expire(exchange.awaitsClient ? 408 : 504);
}
