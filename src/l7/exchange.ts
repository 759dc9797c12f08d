/**
 * One request and its response: a stream of a client connection coupled to a stream of a backend connection, of
 * any version each. Content is passed on while it arrives; what the one side has taken is credited to the other.
 *
 * @module
 */

import { LINGER_BYTES, LINGER_MS } from "../net/transport.ts";
import type { Reason } from "../reasons.ts";
import { ErrorCode, type Fields, type ResponseHead } from "../wire/http_handler.ts";
import type { BackendSession } from "./backend_session.ts";
import { errorResponse } from "./error_rules.ts";
import { ExchangeCredit } from "./exchange_credit.ts";
import { isIdempotent, outboundRequest } from "./request_rules.ts";
import { outboundResponse, outboundTrailers, passedResetCode } from "./response_rules.ts";
import { Upgrade } from "./upgrade.ts";

/** How a backend left an exchange. */
export interface BackendLoss {
  /** An RFC 9113 §7 code. */
  readonly code: number;
  /** The backend has reset this request alone, and its connection goes on. */
  readonly isReset: boolean;
  /** The backend has certainly not seen the request. */
  readonly safeToRetry: boolean;
  /** The connection had served another request, and died before a byte of an answer. */
  readonly isStale: boolean;
}

/** A request from its head to the last byte of its response. */
export class Exchange extends ExchangeCredit {
  /** Request content that came when nobody wanted it any more. */
  #unwantedBytes = 0;

  /** Finds its way, builds the outbound head and asks for a backend connection. */
  begin(): void {
    const { client, head } = this;
    const way = client.wayOf(head.authority);
    if (way === undefined) return this.refuse(421);
    this.way = way;
    const outbound = outboundRequest(head, way.facts, client.nextRequestId());
    if (typeof outbound === "number") return this.refuse(outbound);
    if (way.isOverLimit(head.fields)) return this.refuse(413);
    this.outbound = outbound;
    if (head.protocol !== undefined) {
      this.upgrade = Upgrade.of(outbound, way.facts);
      if (this.upgrade === undefined) return this.refuse(400);
      this.outbound = this.upgrade.request;
    }
    way.pool.acquire(this);
  }

  /** Content from the client. */
  requestData(bytes: Uint8Array, isLast: boolean): void {
    const { client } = this;
    this.lastMs = client.nowMs;
    this.receivedRequest(bytes.length);
    if (isLast) this.#endRequest();
    if (this.isResponseEnded && !this.isOnBackend) {
      this.throwAway(bytes.length);
      this.#unwantedBytes += bytes.length;
      return this.#settle();
    }
    if (this.way!.isOverBytes(this.requestBytes) && !this.isTunnel) return this.refuse(413, "over_limit");
    this.held?.keep(bytes);
    if (!this.isOnBackend) return;
    const backend = this.backend!;
    backend.codec.data(this.backendStreamId, bytes, isLast);
    backend.mark();
    if (this.held?.isOverLimit === true) this.#letGo();
    if (isLast) this.#settle();
  }

  /** Trailers from the client; the request's end. */
  requestTrailers(fields: Fields): void {
    this.lastMs = this.client.nowMs;
    this.#endRequest();
    const outbound = outboundTrailers(fields);
    if (this.held !== undefined) this.held.trailers = outbound;
    if (!this.isOnBackend) return this.#settle();
    const backend = this.backend!;
    backend.codec.trailers(this.backendStreamId, outbound);
    backend.mark();
    this.#settle();
  }

  /** The client, or what it sent, has ended the stream. */
  clientReset(code: number): void {
    if (this.isDone) return;
    this.#doubtBackend();
    this.#leaveBackend(passedResetCode(code));
    this.#done();
  }

  /** It is on a backend connection now: what was held goes there. The head, with its end if it has one, has gone. */
  onBackend(backend: BackendSession, streamId: number): void {
    this.backend = backend;
    this.backendStreamId = streamId;
    this.isOnBackend = true;
    this.held?.replay(backend.codec, streamId, this.isRequestEnded);
    if (this.held?.isOverLimit === true) this.#letGo();
  }

  /** Whether the head alone is the whole request. */
  get endsWithHead(): boolean {
    return this.isRequestEnded && this.requestBytes === 0 && this.held?.trailers === undefined;
  }

  /** A response head from the backend. */
  response(head: ResponseHead, isLast: boolean): void {
    const { client, streamId } = this;
    this.lastMs = this.backend!.nowMs;
    let outbound: ResponseHead | undefined = outboundResponse(head);
    if (head.status < 200 && head.status !== 101) {
      client.codec.response(streamId, outbound, false);
      return client.mark();
    }
    if (this.upgrade !== undefined) outbound = this.upgrade.response(outbound);
    if (outbound === undefined) {
      this.#leaveBackend(ErrorCode.CANCEL);
      return this.refuse(502);
    }
    this.status = outbound.status;
    this.firstByteMs = this.lastMs;
    this.#letGo();
    // Some backends send HEAD's response without its end, and some even content.
    const isWhole = isLast || this.head.method === "HEAD";
    client.codec.response(streamId, outbound, isWhole);
    client.mark();
    if (isWhole) this.#endResponse();
  }

  /** Content from the backend. */
  responseData(bytes: Uint8Array, isLast: boolean): void {
    const { client } = this;
    this.lastMs = this.backend!.nowMs;
    this.receivedResponse(bytes.length);
    client.codec.data(this.streamId, bytes, isLast);
    client.mark();
    if (isLast) this.#endResponse();
  }

  /** Trailers from the backend; the response's end. */
  responseTrailers(fields: Fields): void {
    const { client } = this;
    this.lastMs = this.backend!.nowMs;
    client.codec.trailers(this.streamId, outboundTrailers(fields));
    client.mark();
    this.#endResponse();
  }

  /** The backend, or what it sent, has ended the stream: tries again where that is safe, else tells the client. */
  backendLost(loss: BackendLoss): void {
    if (this.isDone) return;
    this.isOnBackend = false;
    if (this.isResponseEnded) return this.#cutRequest();
    if (this.status === 0 && this.#isRepeatable(loss)) {
      this.isRetried = true;
      return this.way!.pool.acquire(this);
    }
    if (this.status === 0 && !(loss.isReset && this.client.takesResets)) return this.refuse(502);
    this.client.cut(this.streamId, passedResetCode(loss.code), "backend_reset");
    this.#done();
  }

  #isRepeatable(loss: BackendLoss): boolean {
    if (this.isRetried || this.held === undefined) return false;
    return loss.safeToRetry || (loss.isStale && this.hasNoContent && isIdempotent(this.head.method));
  }

  /** Answers by itself; what a client has already been answered is cut off instead, for `reason`. */
  refuse(status: number, reason: Reason = "backend_reset"): void {
    if (this.isDone || this.isResponseEnded) return;
    const { client, streamId } = this;
    if (status === 504) this.#doubtBackend();
    this.#leaveBackend(ErrorCode.CANCEL);
    this.backendStreamId = 0;
    if (this.status !== 0) {
      client.cut(streamId, ErrorCode.INTERNAL_ERROR, reason);
      return this.#done();
    }
    const { head, content } = errorResponse(status, this.isGrpc);
    const isHeadOnly = content.length === 0 || this.head.method === "HEAD";
    this.status = status;
    this.firstByteMs = this.lastMs = client.nowMs;
    // In HTTP/1.1 nothing can follow a request that isn't read to its end: the response says so.
    const isLast = !client.takesResets && !this.isRequestEnded && this.upgrade === undefined;
    if (isLast) client.codec.goAway(ErrorCode.NO_ERROR);
    client.codec.response(streamId, head, isHeadOnly);
    if (!isHeadOnly) client.codec.data(streamId, content, true);
    this.responseBytes += isHeadOnly ? 0 : content.length;
    client.mark();
    this.#endResponse();
  }

  /** Nothing has moved for too long: answers with `status`, or ends what is left of both messages. */
  expire(status: number): void {
    if (!this.isResponseEnded) return this.refuse(status, "idle");
    if (this.isDone) return;
    const { client, streamId } = this;
    const isCut = client.codec.pending(streamId) > 0;
    this.#leaveBackend(ErrorCode.CANCEL);
    client.cut(streamId, isCut ? ErrorCode.INTERNAL_ERROR : ErrorCode.NO_ERROR, "idle");
    this.#done();
  }

  /** Bytes of the response have moved into the client's output. */
  responseTaken(bytes: number): void {
    this.lastMs = Math.max(this.lastMs, this.client.nowMs);
    if (this.backendStreamId === 0) return this.#settle();
    this.oweBackend(bytes);
    if (this.isResponseEnded) this.#settle();
  }

  /** Bytes of the request have moved into the backend's output. */
  requestTaken(bytes: number): void {
    this.lastMs = Math.max(this.lastMs, this.backend!.nowMs);
    if (this.held !== undefined) return;
    this.oweClient(bytes);
    if (this.isResponseEnded) this.#settle();
  }

  /** Time has passed: ends a request that goes on after its response. */
  look(): void {
    if (this.isResponseEnded && !this.isOnBackend) this.#cutRequest();
  }

  /** Everything held goes on its own way from now on, and is credited. */
  #letGo(): void {
    const held = this.held;
    if (held === undefined) return;
    this.held = undefined;
    const taken = held.bytes - this.backend!.codec.pending(this.backendStreamId);
    if (taken <= 0) return;
    this.oweClient(taken);
    this.backend!.mark();
  }

  #endRequest(): void {
    this.isRequestEnded = true;
    this.requestEndedMs = this.client.nowMs;
  }

  #endResponse(): void {
    this.isResponseEnded = true;
    if (!this.isRequestEnded && !this.isOnBackend) this.#cutRequest();
    else this.#settle();
  }

  /**
   * The response is complete and nobody wants the rest of the request. A reset would make some clients (curl 7)
   * throw away the response, so it comes only when they go on sending.
   */
  #cutRequest(): void {
    const { client, streamId } = this;
    if (client.codec.pending(streamId) > 0) return;
    if (!this.isRequestEnded) {
      const lingers = client.takesResets && this.#unwantedBytes <= LINGER_BYTES;
      if (lingers && client.nowMs - this.lastMs < LINGER_MS) return;
      client.codec.reset(streamId, ErrorCode.NO_ERROR);
      client.mark();
    }
    this.#done();
  }

  /** Ends the exchange when both messages are complete and have left. */
  #settle(): void {
    if (this.isDone || !this.isResponseEnded) return;
    if (!this.isOnBackend) return this.#cutRequest();
    if (!this.isRequestEnded || this.isBlocked) return;
    this.#done();
  }

  #doubtBackend(): void {
    if (this.isOnBackend) this.backend!.doubt(this.startedMs, this.client.nowMs);
  }

  #leaveBackend(code: number): void {
    if (this.isOnBackend) {
      this.isOnBackend = false;
      const backend = this.backend!;
      backend.exchanges.delete(this.backendStreamId);
      backend.codec.reset(this.backendStreamId, code);
      backend.mark();
    } else this.way?.pool.cancel(this);
  }

  #done(): void {
    if (this.isDone) return;
    this.isDone = true;
    this.held = undefined;
    this.client.exchanges.delete(this.streamId);
    if (this.isOnBackend) this.backend!.exchanges.delete(this.backendStreamId);
    this.isOnBackend = false;
    this.payRest();
    this.client.exchangeDone(this);
  }
}
