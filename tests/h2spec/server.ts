/**
 * A tiny HTTP/2 server around the codec, for h2spec and other independent clients: answers each request, once
 * it is whole, with `hello`; for the path `/echo` it sends content and trailers back as they come. Cleartext
 * through `Deno.listen`, TLS through node:tls.
 */
import { createServer, type TLSSocket } from "node:tls";
import { Http2Connection } from "../../src/http2/connection.ts";
import type { HttpHandler, RequestHead } from "../../src/wire/http_handler.ts";
import { NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";

const HELLO = new TextEncoder().encode("hello");

/** A running server. */
export interface TinyServer extends AsyncDisposable {
  readonly port: number;
}

/** The codec with the tiny application on it. `flush` is called when output may be there. */
class TinyApplication implements HttpHandler {
  readonly connection: Http2Connection;
  over = false;
  #heads = new Map<number, RequestHead>();

  constructor() {
    this.connection = new Http2Connection(this, { role: "server" });
  }

  request(streamId: number, head: RequestHead, end: boolean): void {
    this.#heads.set(streamId, head);
    if (this.#echoes(streamId)) this.#respond(streamId);
    if (end) this.#answer(streamId, []);
  }

  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    if (this.#echoes(streamId)) this.connection.data(streamId, bytes, false);
    else this.connection.credit(streamId, flowBytes);
    if (end) this.#answer(streamId, []);
  }

  trailers(streamId: number, fields: readonly string[]): void {
    this.#answer(streamId, fields);
  }

  taken(streamId: number, bytes: number): void {
    if (this.#echoes(streamId)) this.connection.credit(streamId, bytes);
  }

  #echoes(streamId: number): boolean {
    return this.#heads.get(streamId)?.path === "/echo";
  }

  #respond(streamId: number): void {
    const fields = ["content-type", "text/plain", "x-path", this.#heads.get(streamId)!.path];
    this.connection.response(streamId, { status: 200, fields, neverIndexed: NEVER_INDEXED_NONE }, false);
  }

  #answer(streamId: number, trailers: readonly string[]): void {
    if (!this.#echoes(streamId)) {
      this.#respond(streamId);
      this.connection.data(streamId, HELLO, false);
    }
    this.connection.trailers(streamId, trailers);
    this.#heads.delete(streamId);
  }

  response(): void {}
  ready(): void {}
  goAway(): void {}
  reset(streamId: number): void {
    this.#heads.delete(streamId);
  }
  closed(): void {
    this.over = true;
  }
}

/** Serves cleartext HTTP/2 with prior knowledge on a free port of 127.0.0.1. */
export function serveCleartext(): TinyServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const running = new Set<Promise<void>>();
  const open = new Set<Deno.Conn>();
  const accepting = (async () => {
    for await (const conn of listener) {
      open.add(conn);
      const served = serveConn(conn).finally(() => {
        open.delete(conn);
        running.delete(served);
      });
      running.add(served);
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) conn.close();
      await Promise.all(running);
    },
  };
}

async function serveConn(conn: Deno.Conn): Promise<void> {
  const application = new TinyApplication();
  const { connection } = application;
  const buffer = new Uint8Array(65_536);
  let writing: Promise<void> = Promise.resolve();
  const write = async () => {
    while (connection.hasOutput) {
      const output = connection.takeOutput();
      for (let at = 0; at < output.length;) at += await conn.write(output.subarray(at));
    }
  };
  try {
    while (true) {
      // Not awaited: reading goes on while a write waits, or two peers that both write would block each other.
      if (connection.hasOutput) writing = writing.then(write).catch(() => {});
      if (application.over) break;
      const count = await conn.read(buffer);
      if (count === null) connection.receiveEnd(performance.now());
      else connection.receive(buffer.subarray(0, count), performance.now());
    }
    await writing;
    await conn.closeWrite();
    while (await conn.read(buffer) !== null) continue;
  } catch {
    // The peer went away in the middle, or the server is being closed.
  }
  try {
    conn.close();
  } catch {
    // Closed already, by the server's end.
  }
}

/** Serves HTTP/2 over TLS on a free port of 127.0.0.1. */
export async function serveTls(certificate: string, key: string): Promise<TinyServer> {
  const open = new Set<TLSSocket>();
  const server = createServer({ cert: certificate, key, ALPNProtocols: ["h2"] }, (socket) => {
    open.add(socket);
    const application = new TinyApplication();
    const { connection } = application;
    const flush = () => {
      while (connection.hasOutput) socket.write(connection.takeOutput());
      if (application.over) socket.end();
    };
    socket.on("data", (bytes: Uint8Array) => {
      connection.receive(bytes, performance.now());
      flush();
    });
    socket.on("end", () => {
      connection.receiveEnd(performance.now());
      flush();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => open.delete(socket));
    flush();
  });
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
