/**
 * One client's connection: our HTTP/2 on its transport, gRPC's handlers on top. Every call is a request body that flow
 * control bounds, and an answer that is written as fast as the client reads.
 *
 * @module
 */

import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { Http2Connection } from "../http2/connection.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { ErrorCode, type HttpHandler, NEVER_INDEXED_NONE, type RequestHead } from "../wire/http_handler.ts";
import { ByteBudget } from "./byte_budget.ts";
import {
  FAREWELL_MS,
  HEADER_BYTES_MAX,
  HEADER_MS,
  IDLE_MS,
  PING_INTERVAL_MS,
  SESSION_ANSWER_BYTES_MAX,
  STREAMS_MAX,
  UNREAD_BYTES_MAX,
} from "./call_limits.ts";
import type { CallTurns } from "./call_turns.ts";
import { CALLER, type Caller } from "./caller.ts";
import { GrpcCall } from "./grpc_call.ts";
import { wholeAnswer } from "./whole_answer.ts";
import { fieldsOf, headersOf, refusal, surplus, trailerFields, UNREAD } from "./grpc_fields.ts";

/** What a session works with. */
export interface GrpcSessionOptions {
  /** By path, such as `/mc_proxy.v1.ProxyAdminService/GetStatus`. */
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
  /** Bytes of all clients' requests. */
  readonly requests: ByteBudget;
  /** Bytes of all clients' answers. */
  readonly answers: ByteBudget;
  /** When calls begin. */
  readonly turns: CallTurns;
  /** Who calls. */
  readonly caller: Caller;
  /** Makes the transport, which isn't started yet. */
  readonly openTransport: (handler: TransportHandler) => Transport;
  /** A clock in ms that never goes back. */
  readonly now: () => number;
  /** Called once, when the connection has gone. */
  readonly onGone: (session: GrpcSession) => void;
}

/** One connection. */
export class GrpcSession implements HttpHandler, TransportHandler {
  readonly #options: GrpcSessionOptions;
  readonly #connection: Http2Connection;
  readonly #transport: Transport;
  readonly #calls = new Map<number, GrpcCall>();
  readonly #answers = new ByteBudget(SESSION_ANSWER_BYTES_MAX);
  #busyMs: number;
  /** Calls whose handlers are at work, cancelled ones included. */
  #working = 0;
  #overMs = Infinity;
  #isFinished = false;
  #isFlushAsked = false;

  /** Begins to read at once. */
  constructor(options: GrpcSessionOptions) {
    this.#options = options;
    this.#busyMs = options.now();
    this.#connection = new Http2Connection(this, {
      role: "server",
      maxConcurrentStreams: STREAMS_MAX,
      maxHeaderBytes: HEADER_BYTES_MAX,
      pingIntervalMs: PING_INTERVAL_MS,
    });
    this.#transport = options.openTransport(this);
    this.#transport.start();
    this.#flush();
  }

  /** Time has passed: call it each second. */
  tick(): void {
    const now = this.#options.now();
    // Who doesn't read its last output would stay for ever.
    const { partialSinceMs } = this.#connection;
    const isFrameLate = partialSinceMs > 0 && now - partialSinceMs > HEADER_MS;
    if (isFrameLate || now - this.#overMs > FAREWELL_MS) return this.destroy();
    for (const call of this.#calls.values()) {
      if (call.isOverdue(now)) this.#cancel(call, ErrorCode.CANCEL);
    }
    this.#connection.tick(now);
    if (this.#calls.size > 0) this.#busyMs = now;
    else if (now - this.#busyMs > IDLE_MS) this.end();
    this.#flush();
  }

  /** Takes no new calls; the connection ends with the last one that is open. */
  end(): void {
    this.#connection.goAway(ErrorCode.NO_ERROR);
    this.#connection.goAway(ErrorCode.NO_ERROR);
    this.#flush();
  }

  /** Ends the connection now. */
  destroy(): void {
    this.#transport.reset();
  }

  /** Transport. */
  received(bytes: Uint8Array): void {
    this.#connection.receive(bytes, this.#options.now());
    this.#flush();
  }

  /** Transport. */
  receivedEnd(): void {
    this.#connection.receiveEnd(this.#options.now());
    this.#flush();
  }

  /** Transport. */
  written(): void {
    this.#flush();
    for (const call of this.#calls.values()) call.wake();
  }

  /** Transport. */
  disconnected(): void {
    this.#connection.receiveEnd(this.#options.now());
    for (const call of this.#calls.values()) call.cancel();
    this.#calls.clear();
    this.#options.onGone(this);
  }

  /** HTTP. */
  request(streamId: number, head: RequestHead, end: boolean): void {
    const handler = this.#options.handlers.get(head.path);
    const header = headersOf(head.fields);
    const lasting = [...this.#calls.values()].filter((call) => call.isLasting).length;
    const refused = refusal(head, handler, header) ?? surplus(handler!, { working: this.#working, lasting });
    if (handler === undefined || header === undefined || refused !== undefined) {
      this.#connection.response(streamId, { ...refused!, neverIndexed: NEVER_INDEXED_NONE }, true);
      // What still comes of the request isn't wanted (RFC 9113 §8.1).
      if (!end) this.#connection.reset(streamId, ErrorCode.NO_ERROR);
      return;
    }
    const call = new GrpcCall({
      streamId,
      requests: this.#options.requests,
      kind: handler.method.methodKind,
      now: this.#options.now,
      credit: (flowBytes) => {
        this.#connection.credit(streamId, flowBytes);
        this.#askFlush();
      },
    });
    this.#calls.set(streamId, call);
    if (end) call.body.end();
    void this.#serve(call, handler, head.path, header);
  }

  async #serve(call: GrpcCall, handler: UniversalHandler, path: string, header: Headers): Promise<void> {
    this.#working++;
    try {
      await this.#options.turns.take(this);
      call.signal.throwIfAborted();
      const response = await handler({
        httpVersion: "2.0",
        method: "POST",
        url: `http://mc-proxy${path}`,
        header,
        body: call.body,
        signal: call.signal,
        contextValues: createContextValues().set(CALLER, this.#options.caller),
      });
      await this.#answer(call, { ...response, body: await wholeAnswer(handler, response.body) });
    } catch {
      // The call was cancelled, or its client has gone.
      if (this.#calls.has(call.streamId)) this.#connection.reset(call.streamId, ErrorCode.CANCEL);
    } finally {
      this.#working--;
      call.cancel();
      this.#calls.delete(call.streamId);
      this.#busyMs = this.#options.now();
      this.#askFlush();
    }
  }

  async #answer(call: GrpcCall, { status, header, body, trailer }: UniversalServerResponse): Promise<void> {
    const { streamId } = call;
    const fields = fieldsOf(header);
    this.#connection.response(streamId, { status, fields, neverIndexed: NEVER_INDEXED_NONE }, false);
    this.#flush();
    let isRefused = false;
    for await (const bytes of body ?? []) {
      isRefused = !this.#hold(bytes.length);
      if (isRefused) break;
      try {
        await call.write(bytes, (part) => {
          this.#connection.data(streamId, part, false);
          this.#flush();
          return this.#isTaken(streamId);
        }, () => this.#isTaken(streamId));
      } finally {
        this.#answers.release(bytes.length);
        this.#options.answers.release(bytes.length);
      }
    }
    this.#connection.trailers(streamId, isRefused ? UNREAD : trailerFields(trailer));
    // A client that answers early doesn't want the rest of the request (RFC 9113 §8.1).
    if (!call.body.isEnded) this.#connection.reset(streamId, ErrorCode.NO_ERROR);
  }

  #hold(bytes: number): boolean {
    if (!this.#answers.take(bytes)) return false;
    if (this.#options.answers.take(bytes)) return true;
    this.#answers.release(bytes);
    return false;
  }

  #isTaken(streamId: number): boolean {
    return this.#connection.pending(streamId) === 0 && this.#transport.isReady;
  }

  /** HTTP. */
  response(): void {}

  /** HTTP. */
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    const call = this.#calls.get(streamId);
    if (call === undefined) return void this.#connection.credit(streamId, flowBytes);
    call.receive(bytes, flowBytes);
    if (end) call.body.end();
  }

  /** HTTP. */
  trailers(streamId: number): void {
    this.#calls.get(streamId)?.body.end();
  }

  /** HTTP. */
  reset(streamId: number): void {
    const call = this.#calls.get(streamId);
    if (call === undefined) return;
    this.#calls.delete(streamId);
    call.body.end(new ConnectError("the client has cancelled the call", Code.Canceled));
    call.cancel();
  }

  /** HTTP. */
  taken(streamId: number): void {
    this.#calls.get(streamId)?.wake();
  }

  /** HTTP. */
  goAway(): void {}

  /** HTTP. */
  ready(): void {}

  /** HTTP. */
  closed(): void {
    this.#overMs = this.#options.now();
  }

  #cancel(call: GrpcCall, code: number): void {
    this.#calls.delete(call.streamId);
    this.#connection.reset(call.streamId, code);
    call.body.end(new ConnectError("the call took too long", Code.DeadlineExceeded));
    call.cancel();
  }

  #askFlush(): void {
    if (this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    queueMicrotask(() => {
      this.#isFlushAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#connection.hasOutput && this.#transport.isReady) {
      this.#transport.write(this.#connection.takeOutput());
    }
    // Refusals are written at once: whoever doesn't read them isn't read either.
    if (!this.#transport.isReady && this.#connection.bufferedBytes > UNREAD_BYTES_MAX) {
      this.#transport.pause();
    } else this.#transport.resume();
    if (this.#overMs === Infinity || this.#isFinished || this.#connection.hasOutput) return;
    this.#isFinished = true;
    this.#transport.finish();
  }
}
