/**
 * What an exchange holds of either side's content, and the credit that is due for it: given when the other side's
 * connection has written it, so that windows stop who sends too fast.
 *
 * @module
 */

import { fieldValue } from "../wire/http_fields.ts";
import type { BackendSession } from "./backend_session.ts";
import { ExchangeRecord } from "./exchange_record.ts";
import { HeldContent } from "./held_content.ts";

/** An exchange's accounts with the client and with the backend connection that it is on. */
export abstract class ExchangeCredit extends ExchangeRecord {
  /** The backend connection that it is on, or was last. */
  backend: BackendSession | undefined;
  /** Its stream there; 0 = none. */
  backendStreamId = 0;
  /** By how many bytes the window of that stream has grown. */
  grownBytes = 0;
  /** Request content that may be needed again; credit for it is kept back. Absent = it is passed on as it comes. */
  protected held: HeldContent | undefined = new HeldContent();
  /** Whether the backend's stream is open for it. */
  protected isOnBackend = false;
  /** Content that has gone to the other side's output, for which credit is due when it has left. */
  #owedToBackend = 0;
  #owedToClient = 0;
  /** Content received for which no credit was given: it is held somewhere here. */
  #unpaidToBackend = 0;
  #unpaidToClient = 0;

  /** Content has come from the client. */
  protected receivedRequest(bytes: number): void {
    this.requestBytes += bytes;
    this.#unpaidToClient += bytes;
  }

  /** Content has come from the backend. */
  protected receivedResponse(bytes: number): void {
    this.responseBytes += bytes;
    this.#unpaidToBackend += bytes;
  }

  /** The client is credited for content that nobody wants. */
  protected throwAway(bytes: number): void {
    this.#unpaidToClient -= bytes;
    this.client.codec.credit(this.streamId, bytes, 0);
  }

  /** Content of the response is in the client's output. */
  protected oweBackend(bytes: number): void {
    if (this.#owedToBackend === 0) this.client.owe(this);
    this.#owedToBackend += bytes;
  }

  /** Content of the request is in the backend's output. */
  protected oweClient(bytes: number): void {
    if (this.#owedToClient === 0) this.backend!.owe(this);
    this.#owedToClient += bytes;
  }

  /** What was taken of the response has left. @param growthMax of the backend's window @returns by how much it has grown */
  payBackend(growthMax: number): number {
    const bytes = this.#owedToBackend;
    const { backend } = this;
    this.#owedToBackend = 0;
    if (bytes === 0 || backend === undefined || backend.isGone) return 0;
    this.#unpaidToBackend -= bytes;
    const grown = backend.codec.credit(this.backendStreamId, bytes, growthMax);
    this.grownBytes += grown;
    backend.mark();
    return grown;
  }

  /** What was taken of the request has left. @param growthMax of the client's window */
  payClient(growthMax: number): void {
    const bytes = this.#owedToClient;
    const { client } = this;
    this.#owedToClient = 0;
    if (bytes === 0 || client.isGone) return;
    this.#unpaidToClient -= bytes;
    client.codec.credit(this.streamId, bytes, growthMax);
    client.mark();
  }

  /** Nothing is held any more: what isn't credited would narrow the windows of all who share the connection. */
  protected payRest(): void {
    this.#owedToClient = this.#unpaidToClient;
    this.payClient(0);
    this.#owedToBackend = this.#unpaidToBackend;
    this.payBackend(0);
  }

  /** Whether either side's window holds up what the other has sent. */
  get isBlocked(): boolean {
    if (this.client.codec.pending(this.streamId) > 0) return true;
    return this.isOnBackend && this.backend!.codec.pending(this.backendStreamId) > 0;
  }

  /** Whether the client's content is what is waited for. One that asked for a 100 waits for the backend itself. */
  get awaitsClient(): boolean {
    if (this.isRequestEnded || this.status !== 0 || !this.isOnBackend || this.isBlocked) return false;
    if (this.#unpaidToClient > (this.held?.bytes ?? 0) || this.upgrade !== undefined) return false;
    return this.requestBytes > 0 || fieldValue(this.head.fields, "expect") === undefined;
  }
}
