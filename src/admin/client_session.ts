/**
 * A client's HTTP/2 connection to the admin API: our codec in its client role on a connection of the runtime.
 *
 * @module
 */

import type { UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageOf } from "../errors.ts";
import { Http2Connection } from "../http2/connection.ts";
import {
  ErrorCode,
  type Fields,
  type HttpError,
  type HttpHandler,
  NEVER_INDEXED_NONE,
  type ResponseHead,
} from "../wire/http_handler.ts";
import { RequestBody } from "./request_body.ts";

const READ_BYTES = 65_536;
const TICK_MS = 1_000;

/** What a session needs of a connection. */
export type ClientConn = Pick<Deno.Conn, "read" | "write" | "close">;

/** One answer that is on its way. */
interface Waiting {
  readonly head: PromiseWithResolvers<UniversalClientResponse>;
  readonly body: RequestBody;
  readonly trailer: Headers;
}

/** One connection. */
export class ClientSession implements HttpHandler {
  readonly #conn: ClientConn;
  readonly #connection: Http2Connection;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ticker: ReturnType<typeof setInterval>;
  #writing: Promise<void> = Promise.resolve();
  #ended: ConnectError | undefined;
  readonly #reading: Promise<void>;

  /** Begins to speak at once. @param conn owned from now on */
  constructor(conn: ClientConn) {
    this.#conn = conn;
    this.#connection = new Http2Connection(this, { role: "client", pingIntervalMs: 30_000 });
    this.#flush();
    this.#reading = this.#read();
    this.#ticker = setInterval(() => {
      this.#connection.tick(performance.now());
      this.#flush();
    }, TICK_MS);
  }

  /** Whether nothing can be sent any more. */
  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Sends a request and waits for the head of its answer. Rejects with a `ConnectError`. */
  async send(request: UniversalClientRequest): Promise<UniversalClientResponse> {
    if (this.#ended !== undefined) throw this.#ended;
    const { pathname, host } = new URL(request.url);
    const streamId = this.#connection.request({
      method: request.method,
      scheme: "http",
      authority: host,
      path: pathname,
      fields: [...request.header].flat(),
      neverIndexed: NEVER_INDEXED_NONE,
    }, false);
    if (streamId === undefined) throw new ConnectError("too many calls at once", Code.ResourceExhausted);
    const head = Promise.withResolvers<UniversalClientResponse>();
    const body = new RequestBody((flowBytes) => {
      this.#connection.credit(streamId, flowBytes);
      this.#flush();
    });
    this.#waiting.set(streamId, { head, body, trailer: new Headers() });
    request.signal?.addEventListener("abort", () => {
      this.#connection.reset(streamId, ErrorCode.CANCEL);
      this.#flush();
      this.#fail(streamId, new ConnectError("the call was cancelled", Code.Canceled));
    }, { once: true });
    // An answer may begin before the request is over: where both are streams.
    void this.#sendBody(streamId, request.body ?? noBody());
    return await head.promise;
  }

  async #sendBody(streamId: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const bytes of body) {
        if (!this.#waiting.has(streamId)) return;
        this.#connection.data(streamId, bytes, false);
        this.#flush();
      }
      if (!this.#waiting.has(streamId)) return;
      this.#connection.data(streamId, new Uint8Array(0), true);
      this.#flush();
    } catch (error) {
      this.#connection.reset(streamId, ErrorCode.CANCEL);
      this.#flush();
      this.#fail(streamId, ConnectError.from(error));
    }
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    clearInterval(this.#ticker);
    this.#connection.goAway(ErrorCode.NO_ERROR);
    this.#flush();
    await this.#writing;
    this.#end("closed");
    try {
      this.#conn.close();
    } catch {
      // The server was first.
    }
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        this.#connection.receive(buffer.subarray(0, count), performance.now());
        this.#flush();
      }
      this.#connection.receiveEnd(performance.now());
      this.#end("the server has closed the connection");
    } catch (error) {
      this.#end(messageOf(error));
    }
  }

  #flush(): void {
    while (this.#connection.hasOutput) {
      const output = this.#connection.takeOutput().slice();
      this.#writing = this.#writing.then(async () => {
        for (let rest = output; rest.length > 0;) rest = rest.subarray(await this.#conn.write(rest));
      }).catch((error) => this.#end(messageOf(error)));
    }
  }

  #end(detail: string): void {
    this.#ended ??= new ConnectError(detail, Code.Unavailable);
    for (const streamId of [...this.#waiting.keys()]) this.#fail(streamId, this.#ended);
  }

  #fail(streamId: number, error: ConnectError): void {
    const waiting = this.#waiting.get(streamId);
    if (waiting === undefined) return;
    this.#waiting.delete(streamId);
    waiting.head.reject(error);
    waiting.body.end(error);
  }

  #finish(streamId: number): void {
    this.#waiting.get(streamId)?.body.end();
    this.#waiting.delete(streamId);
  }

  /** HTTP. */
  request(): void {}

  /** HTTP. */
  response(streamId: number, head: ResponseHead, end: boolean): void {
    const waiting = this.#waiting.get(streamId);
    if (waiting === undefined || head.status < 200) return;
    const { body, trailer } = waiting;
    waiting.head.resolve({ status: head.status, header: headersOf(head.fields), body, trailer });
    if (end) this.#finish(streamId);
  }

  /** HTTP. */
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    const waiting = this.#waiting.get(streamId);
    if (waiting === undefined) this.#connection.credit(streamId, flowBytes);
    else waiting.body.push(bytes, flowBytes);
    if (end) this.#finish(streamId);
  }

  /** HTTP. */
  trailers(streamId: number, fields: Fields): void {
    const trailer = this.#waiting.get(streamId)?.trailer;
    for (const [name, value] of headersOf(fields)) trailer?.append(name, value);
    this.#finish(streamId);
  }

  /** HTTP. */
  reset(streamId: number, code: number): void {
    this.#fail(
      streamId,
      new ConnectError(`the server has ended the call (HTTP/2 code ${code})`, Code.Unavailable),
    );
  }

  /** HTTP. */
  taken(): void {}

  /** HTTP. */
  goAway(): void {}

  /** HTTP. */
  ready(): void {}

  /** HTTP. */
  closed(error?: HttpError): void {
    this.#end(error?.detail ?? "the server has closed the connection");
  }
}

async function* noBody(): AsyncGenerator<Uint8Array> {}

function headersOf(fields: Fields): Headers {
  const headers = new Headers();
  for (let index = 0; index < fields.length; index += 2) headers.append(fields[index]!, fields[index + 1]!);
  return headers;
}
