/**
 * One call: its request as it comes, its answer as it goes, and its end.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { ByteBudget } from "./byte_budget.ts";
import { MESSAGE_BYTES_MAX, REQUEST_MS, SILENCE_MS, UNREAD_MS } from "./call_limits.ts";
import { RequestBody } from "./request_body.ts";

/** Bytes of an answer that are given to the connection at once. */
const PART_BYTES = 32_768;

/** What a call works with. */
export interface GrpcCallOptions {
  /** Its stream. */
  readonly streamId: number;
  /** Bytes of all calls' requests. */
  readonly requests: ByteBudget;
  /** Whether requests and answers are one or many. */
  readonly kind: UniversalHandler["method"]["methodKind"];
  /** A clock in ms that never goes back. */
  readonly now: () => number;
  /** Lets the client send so much again. */
  readonly credit: (flowBytes: number) => void;
}

/** One call. */
export class GrpcCall {
  /** Its stream. */
  readonly streamId: number;
  /** What the handler reads. */
  readonly body: RequestBody;
  readonly #options: GrpcCallOptions;
  readonly #abort = new AbortController();
  /** Since when more of the request is waited for. */
  #waitingSinceMs: number;
  #heldBytes = 0;
  #writingSinceMs = Infinity;
  #wake: (() => void) | undefined;

  /** A call whose head has come. */
  constructor(options: GrpcCallOptions) {
    this.#options = options;
    this.streamId = options.streamId;
    this.#waitingSinceMs = options.now();
    this.body = new RequestBody(options.credit);
  }

  /** Whether it may stay open without end. */
  get isLasting(): boolean {
    return this.#options.kind !== "unary";
  }

  /** Aborted when the call is over, however. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Content has come. */
  receive(bytes: Uint8Array, flowBytes: number): void {
    if (this.#hasManyRequests) this.#waitingSinceMs = this.#options.now();
    // A stream of messages holds one of them at a time.
    const more = Math.min(bytes.length, MESSAGE_BYTES_MAX - this.#heldBytes);
    if (!this.#options.requests.take(more)) {
      this.#options.credit(flowBytes);
      this.body.end(new ConnectError("too many requests are under way", Code.ResourceExhausted));
      return;
    }
    this.#heldBytes += more;
    this.body.push(bytes, flowBytes);
  }

  /** Whether the client takes too long to send its request, or to read its answer. */
  isOverdue(nowMs: number): boolean {
    if (nowMs - this.#writingSinceMs > UNREAD_MS) return true;
    if (this.body.isEnded) return false;
    return nowMs - this.#waitingSinceMs > (this.#hasManyRequests ? SILENCE_MS : REQUEST_MS);
  }

  get #hasManyRequests(): boolean {
    const { kind } = this.#options;
    return kind === "client_streaming" || kind === "bidi_streaming";
  }

  /**
   * Writes in parts, each when the one before has gone.
   *
   * @param send gives a part to the connection and says whether it has gone already
   * @param isGone says so later
   * @throws when the call is over before all has gone
   */
  async write(bytes: Uint8Array, send: (part: Uint8Array) => boolean, isGone: () => boolean): Promise<void> {
    for (let start = 0; start < bytes.length; start += PART_BYTES) {
      this.#writingSinceMs = this.#options.now();
      let gone = send(bytes.subarray(start, start + PART_BYTES));
      while (!gone) {
        this.signal.throwIfAborted();
        await new Promise<void>((resolve) => this.#wake = resolve);
        this.#wake = undefined;
        gone = isGone();
      }
      this.signal.throwIfAborted();
    }
    this.#writingSinceMs = Infinity;
  }

  /** What was written may have gone. */
  wake(): void {
    this.#wake?.();
  }

  /** It is over. */
  cancel(): void {
    this.#options.requests.release(this.#heldBytes);
    this.#heldBytes = 0;
    if (!this.signal.aborted) this.#abort.abort();
    void this.body.return();
    this.#wake?.();
  }
}
