/**
 * Owners for tests: a handler that writes down what it is told, one that answers each request, and byte tools.
 *
 * @module
 */

import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import type { Http1Options } from "../../src/http1/options.ts";
import { Http1ServerConnection } from "../../src/http1/server_connection.ts";
import {
  type Fields,
  type HttpError,
  type HttpHandler,
  NEVER_INDEXED_NONE,
  type RequestHead,
  type ResponseHead,
} from "../../src/wire/http_handler.ts";

/** Bytes of Latin-1 text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Latin-1 text of bytes. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** A request head with defaults. */
export function requestHead(head: Partial<RequestHead> = {}): RequestHead {
  return {
    method: "GET",
    scheme: "",
    authority: "a.example",
    path: "/",
    fields: [],
    neverIndexed: NEVER_INDEXED_NONE,
    ...head,
  };
}

/** A response head. */
export function responseHead(status: number, fields: Fields = []): ResponseHead {
  return { status, fields, neverIndexed: NEVER_INDEXED_NONE };
}

/** Writes every call down; consecutive data calls are joined, so that splits of the input don't show. */
export class Recorder implements HttpHandler {
  readonly calls: string[] = [];
  readonly heads: (RequestHead | ResponseHead)[] = [];
  error: HttpError | undefined;
  isClosed = false;
  takenBytes = 0;
  contentBytes = 0;
  #joinsData = false;

  #add(call: string, isData = false): void {
    if (this.isClosed) throw new Error(`called after closed: ${call}`);
    if (isData && this.#joinsData) this.calls.push(this.calls.pop() + call);
    else this.calls.push(isData ? `data ${call}` : call);
    this.#joinsData = isData;
  }

  request(streamId: number, head: RequestHead, end: boolean): void {
    this.heads.push(head);
    const target = head.path === "" ? head.authority : head.path;
    this.#add(`request ${streamId} ${head.method} ${target}${end ? " end" : ""}`);
  }

  response(streamId: number, head: ResponseHead, end: boolean): void {
    this.heads.push(head);
    this.#add(`response ${streamId} ${head.status}${end ? " end" : ""}`);
  }

  data(_streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    if (flowBytes !== bytes.length) throw new Error("flowBytes differs from the length");
    this.contentBytes += bytes.length;
    if (bytes.length > 0) this.#add(textOf(bytes), true);
    if (end) this.#add("end");
  }

  trailers(_streamId: number, fields: Fields): void {
    this.#add(`trailers ${fields.join(",")}`);
  }

  reset(streamId: number, code: number, byPeer: boolean, safeToRetry: boolean): void {
    this.#add(`reset ${streamId} ${code}${byPeer ? " byPeer" : ""}${safeToRetry ? " safe" : ""}`);
  }

  taken(_streamId: number, bytes: number): void {
    this.takenBytes += bytes;
  }

  goAway(): void {
    this.#add("goAway");
  }

  ready(): void {
    this.#add("ready");
  }

  closed(error?: HttpError): void {
    this.#add(error === undefined ? "closed" : `closed ${error.status ?? "reset"}`);
    this.error = error;
    this.isClosed = true;
  }
}

/** A server whose owner answers each request with 200 as soon as it is complete. */
export class AnsweringServer extends Recorder {
  readonly connection: Http1ServerConnection;

  constructor(options?: Http1Options) {
    super();
    this.connection = new Http1ServerConnection(this, options);
  }

  override request(streamId: number, head: RequestHead, end: boolean): void {
    super.request(streamId, head, end);
    if (end) this.connection.response(streamId, responseHead(200), true);
  }

  override data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    super.data(streamId, bytes, flowBytes, end);
    this.connection.credit(streamId, flowBytes);
    if (end) this.connection.response(streamId, responseHead(200), true);
  }

  override trailers(streamId: number, fields: Fields): void {
    super.trailers(streamId, fields);
    this.connection.response(streamId, responseHead(200), true);
  }
}

/** Everything a server with that owner does with `input`, given in these pieces. */
export function serve(pieces: readonly Uint8Array[], options?: Http1Options): readonly string[] {
  const server = new AnsweringServer(options);
  for (const piece of pieces) {
    server.connection.receive(piece, 0);
    while (server.connection.hasOutput) server.connection.takeOutput();
  }
  return server.calls;
}

/** A server that has received `input`, and its recorder. */
export function openServer(
  input: string,
  options?: Http1Options,
): { server: Http1ServerConnection; recorder: Recorder; calls: readonly string[]; output: () => string } {
  const recorder = new Recorder();
  const server = new Http1ServerConnection(recorder, options);
  server.receive(bytesOf(input), 0);
  return { server, recorder, calls: recorder.calls, output: () => textOf(server.takeOutput()) };
}

/** A client that has sent a request, and its recorder. */
export function asked(
  head: Partial<RequestHead> = {},
  options?: Http1Options,
): { client: Http1ClientConnection; recorder: Recorder; sent: string } {
  const recorder = new Recorder();
  const client = new Http1ClientConnection(recorder, options);
  client.request(requestHead(head), head.protocol === undefined);
  return { client, recorder, sent: textOf(client.takeOutput()) };
}

/** Everything a client does with a response in these pieces, to a request of that head. */
export function ask(
  pieces: readonly Uint8Array[],
  head: Partial<RequestHead> = {},
  options?: Http1Options,
): readonly string[] {
  const { client, recorder } = asked(head, options);
  for (const piece of pieces) client.receive(piece, 0);
  return recorder.calls;
}
