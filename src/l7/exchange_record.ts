/**
 * What is known of one request: where it comes from, where it goes, what became of it so far.
 *
 * @module
 */

import type { RequestHead } from "../wire/http_handler.ts";
import type { ClientSession } from "./client_session.ts";
import { isGrpcRequest } from "./request_rules.ts";
import type { Upgrade } from "./upgrade.ts";
import type { Way } from "./way.ts";

/** The facts and figures of an exchange. Times are on the clock of `performance.now`. */
export class ExchangeRecord {
  /** Whose request it is. */
  readonly client: ClientSession;
  /** Size of the head, which is kept as long as the exchange. */
  readonly headBytes: number;
  /** Its stream of the client's connection. */
  readonly streamId: number;
  /** As the client sent it. */
  readonly head: RequestHead;
  /** A gRPC call, whose own deadline rules. */
  readonly isGrpc: boolean;
  /** Where it goes; absent = it was refused before that was known. */
  way: Way | undefined;
  /** The head for the backend. */
  outbound: RequestHead | undefined;
  /** Present when the client asks for a WebSocket. */
  upgrade: Upgrade | undefined;
  /** Status that the client got; 0 = none yet. */
  status = 0;
  /** Content bytes from the client, and to it. */
  requestBytes = 0;
  /** Content bytes to the client. */
  responseBytes = 0;
  /** When its head had come. */
  readonly startedMs: number;
  /** When all of it had come; 0 = not yet. */
  requestEndedMs = 0;
  /** When the response head had come; 0 = not yet. */
  firstByteMs = 0;
  /** When a byte last went in either direction. */
  lastMs: number;
  /** It was given to a second backend connection. */
  isRetried = false;
  /** The client has sent all. */
  isRequestEnded: boolean;
  /** All of the response was given to the client's codec. */
  isResponseEnded = false;
  /** Nothing is left to do. */
  isDone = false;

  /** A request that has begun. */
  constructor(client: ClientSession, streamId: number, head: RequestHead, isEnded: boolean) {
    this.client = client;
    this.streamId = streamId;
    this.head = head;
    this.isRequestEnded = isEnded;
    this.isGrpc = isGrpcRequest(head);
    let headBytes = head.path.length + head.authority.length;
    for (const text of head.fields) headBytes += text.length;
    this.headBytes = headBytes;
    this.startedMs = this.lastMs = client.nowMs;
    if (isEnded) this.requestEndedMs = this.startedMs;
  }

  /** Whether a WebSocket is open. */
  get isTunnel(): boolean {
    return this.upgrade?.isOpen === true;
  }

  /** Whether the request has no content: only then can it be repeated when nobody knows how far it came. */
  get hasNoContent(): boolean {
    return this.isRequestEnded && this.requestBytes === 0;
  }
}
