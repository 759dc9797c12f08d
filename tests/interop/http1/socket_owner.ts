/**
 * A real owner of the codec: sockets in, sockets out, with an echo application in the server role.
 *
 * @module
 */

import type { Http1ClientConnection } from "../../../src/http1/client_connection.ts";
import { Http1ServerConnection } from "../../../src/http1/server_connection.ts";
import type { Fields, RequestHead } from "../../../src/wire/http_handler.ts";
import { bytesOf, Recorder, responseHead, textOf } from "../../http1/recorder.ts";

/** Moves bytes between a socket and a codec until `isDone`. */
export async function pump(
  socket: Deno.Conn,
  codec: Http1ServerConnection | Http1ClientConnection,
  isDone: () => boolean,
): Promise<void> {
  const buffer = new Uint8Array(16384);
  let isEnded = false;
  for (;;) {
    while (codec.hasOutput) await writeAll(socket, codec.takeOutput());
    if (codec.outputEnded && !isEnded) {
      isEnded = true;
      await socket.closeWrite();
    }
    if (isDone()) return;
    const count = await socket.read(buffer);
    if (count === null) codec.receiveEnd(0);
    else codec.receive(buffer.subarray(0, count), 0);
  }
}

async function writeAll(socket: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await socket.write(bytes.subarray(at));
}

/**
 * Answers each request with what it was (method, path, authority, content, trailers) as JSON, chunked with a
 * trailer `x-length`; content is given back byte by byte behind an upgrade. `/empty` gets 204, `/hints` a 103 before.
 */
class EchoApplication extends Recorder {
  connection!: Http1ServerConnection;
  #head: RequestHead | undefined;
  #text = "";

  override request(streamId: number, head: RequestHead, end: boolean): void {
    super.request(streamId, head, end);
    this.#head = head;
    this.#text = "";
    if (head.path === "/hints") {
      this.connection.response(streamId, responseHead(103, ["link", "</x>"]), false);
    }
    if (head.fields.includes("100-continue")) this.connection.response(streamId, responseHead(100), false);
    if (head.protocol !== undefined) this.connection.response(streamId, responseHead(101), false);
    else if (end) this.#answer(streamId, []);
  }

  override data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    this.connection.credit(streamId, flowBytes);
    if (this.#head?.protocol !== undefined) return this.connection.data(streamId, bytes, end);
    this.#text += textOf(bytes);
    if (end) this.#answer(streamId, []);
  }

  override trailers(streamId: number, fields: Fields): void {
    this.#answer(streamId, fields);
  }

  #answer(streamId: number, trailers: Fields): void {
    const { method, path, authority } = this.#head!;
    if (path === "/empty") return this.connection.response(streamId, responseHead(204), true);
    const text = JSON.stringify({ method, path, authority, content: this.#text, trailers });
    this.connection.response(streamId, responseHead(200, ["content-type", "application/json"]), false);
    this.connection.data(streamId, bytesOf(text), false);
    this.connection.trailers(streamId, ["x-length", String(text.length)]);
  }
}

/** An HTTP/1.1 server on our codec; stops when disposed, once its connections are closed. */
export class EchoServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #tasks = new Set<Promise<void>>();
  readonly #accepting = this.#accept();
  /** Connections accepted so far. */
  connections = 0;

  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    for await (const socket of this.#listener) {
      this.connections++;
      const task = serveSocket(socket);
      this.#tasks.add(task);
      task.finally(() => this.#tasks.delete(task));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await Promise.all(this.#tasks);
  }
}

async function serveSocket(socket: Deno.Conn): Promise<void> {
  const application = new EchoApplication();
  application.connection = new Http1ServerConnection(application);
  try {
    await pump(socket, application.connection, () => application.isClosed);
  } catch (error) {
    // A client that is done may reset its idle connection.
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  } finally {
    socket.close();
  }
}

/** Runs a program to its end and returns its output; fails with its errors. */
export async function run(program: string, args: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytesOf(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${program}: ${textOf(stderr)}`);
  return textOf(stdout);
}
