/**
 * Backends for tests, each on a free port of 127.0.0.1 until it is disposed of: echo, sink, source, one that
 * resets, one that is silent, one that can't be reached, and two that speak TLS.
 *
 * @module
 */

import net, { type AddressInfo } from "node:net";
import { createHash, type Hash } from "node:crypto";
import { arrivals } from "./arrivals.ts";
import { bytes as concat } from "./client_hello.ts";
import { fillPattern } from "./pattern.ts";
import type { KeyPair } from "./certificates.ts";

/** How a connection to a backend ended, seen from the backend: a FIN, a RST, or closed by the backend itself. */
export type ConnectionEnd = "fin" | "reset" | "closed";

/** One connection as its backend saw it. */
export interface BackendConnection {
  /** `host:port` of whoever connected. */
  readonly peer: string;
  /** Bytes read from it so far. */
  bytesReceived: number;
  /** The first bytes read from it, at most 64 KiB: a ClientHello, a PROXY header. */
  head: Uint8Array;
  /** How the direction towards the backend ended; never settles while it is open. */
  readonly ended: Promise<ConnectionEnd>;
}

/** A running backend. Disposal ends the listener and all of its connections. */
export interface Backend extends AsyncDisposable {
  /** `127.0.0.1:port`, as a route names it. */
  readonly addr: string;
  readonly port: number;
  /** Every connection so far, oldest first. */
  readonly connections: readonly BackendConnection[];
  /** The connection with this index, now or when it comes; rejects with a TimeoutError. */
  connection(index: number, timeoutMs?: number): Promise<BackendConnection>;
}

/** An open connection on the backend's side: reads are recorded in `record`. */
interface Session {
  readonly record: BackendConnection;
  /** Bytes read into `buffer`, or `null` at the peer's FIN; throws at its RST. */
  read(buffer: Uint8Array): Promise<number | null>;
  writeAll(bytes: Uint8Array): Promise<void>;
  closeWrite(): Promise<void>;
}

const HEAD_BYTES_MAX = 65_536;
const CHUNK_BYTES = 65_536;

/** Sends back what it gets; after the client's FIN sends its own. With `key`, over TLS. */
export function echoBackend(options: Partial<KeyPair> & { alpn?: readonly string[] } = {}): Backend {
  return start(listen(options), async (session) => {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let count; (count = await session.read(buffer)) !== null;) {
      await session.writeAll(buffer.subarray(0, count));
    }
    await session.closeWrite();
  });
}

/** Reads to the client's FIN, then answers with `<sha256 in hex> <bytes>\n` and its own FIN. */
export function sinkBackend(): Backend {
  return start(listen(), async (session) => {
    const hash = createHash("sha256");
    await readToEnd(session, hash);
    await session.writeAll(
      new TextEncoder().encode(`${hash.digest("hex")} ${session.record.bytesReceived}\n`),
    );
    await session.closeWrite();
  });
}

/**
 * Waits for the first bytes, sends `bytes` bytes of the pattern of `pattern.ts` and its FIN, and reads on until the
 * client's FIN.
 */
export function sourceBackend(bytes: number): Backend {
  return start(listen(), async (session) => {
    await session.read(new Uint8Array(CHUNK_BYTES));
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let sent = 0; sent < bytes;) {
      const part = chunk.subarray(0, Math.min(chunk.length, bytes - sent));
      fillPattern(part, sent);
      await session.writeAll(part);
      sent += part.length;
    }
    await session.closeWrite();
    await readToEnd(session);
  });
}

/** Waits for the first bytes, answers with `answer` and its FIN, and reads on until the client's FIN. */
export function answerBackend(answer: Uint8Array | string): Backend {
  const bytes = typeof answer === "string" ? new TextEncoder().encode(answer) : answer;
  return start(listen(), async (session) => {
    await session.read(new Uint8Array(CHUNK_BYTES));
    await session.writeAll(bytes);
    await session.closeWrite();
    await readToEnd(session);
  });
}

/** Accepts and reads, and never sends a byte, not even its FIN, before the client's end. */
export function silentBackend(): Backend {
  return start(listen(), (session) => readToEnd(session));
}

/** Sends a RST as soon as it has read the first bytes and sent `answer` (default: nothing). */
export async function resettingBackend(options: { answer?: string } = {}): Promise<Backend> {
  const recorder = new Recorder();
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const { record, end } = recorder.add(`${socket.remoteAddress}:${socket.remotePort}`);
    sockets.add(socket);
    socket.on("error", () => end("reset"));
    socket.on("close", () => (sockets.delete(socket), end("closed")));
    socket.once("data", (data: Uint8Array) => {
      recordRead(record, new Uint8Array(data));
      socket.write(options.answer ?? "", () => socket.resetAndDestroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return recorder.backend(port, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
}

/** Can't be connected to and doesn't refuse: its accept queue is full, so a connect hangs until its deadline. */
export async function unreachableBackend(): Promise<Backend> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  const waiting: Deno.Conn[] = [];
  while (waiting.length < 16) {
    const signal = AbortSignal.timeout(300);
    const connection = await Deno.connect({ hostname: "127.0.0.1", port, signal }).catch(() => null);
    if (connection === null) break;
    waiting.push(connection);
  }
  return new Recorder().backend(port, () => {
    for (const connection of waiting) connection.close();
    listener.close();
    return Promise.resolve();
  });
}

/** An HTTPS server (h2 and http/1.1) that answers every request with `body`, or with what `handler` returns. */
export function tlsHttpBackend(
  options: KeyPair & { body?: string; port?: number; handler?: Deno.ServeHandler },
): Backend {
  const recorder = new Recorder();
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: options.port ?? 0,
      cert: options.certificate,
      key: options.key,
      onListen() {},
    },
    options.handler ?? (() => new Response(options.body ?? "")),
  );
  return recorder.backend(server.addr.port, () => server.shutdown());
}

function listen(tls: Partial<KeyPair> & { alpn?: readonly string[] } = {}): Deno.Listener<Deno.Conn> {
  const at = { hostname: "127.0.0.1", port: 0 };
  if (tls.key === undefined) return Deno.listen({ ...at, tcpBacklog: 4096 });
  return Deno.listenTls({ ...at, cert: tls.certificate!, key: tls.key, alpnProtocols: [...tls.alpn ?? []] });
}

function start(listener: Deno.Listener<Deno.Conn>, serve: (session: Session) => Promise<void>): Backend {
  const recorder = new Recorder();
  const open = new Map<Deno.Conn, Promise<void>>();
  let stopped = false;
  const accepting = (async () => {
    while (!stopped) {
      const connection = await listener.accept().catch(() => null);
      if (connection === null) continue;
      const done = serveOne(connection, recorder, serve).finally(() => open.delete(connection));
      open.set(connection, done);
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  return recorder.backend(port, async () => {
    stopped = true;
    listener.close();
    for (const connection of open.keys()) closeQuietly(connection);
    await Promise.all([accepting, ...open.values()]);
  });
}

async function serveOne(
  connection: Deno.Conn,
  recorder: Recorder,
  serve: (session: Session) => Promise<void>,
): Promise<void> {
  const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
  const { record, end } = recorder.add(`${hostname}:${port}`);
  const session: Session = {
    record,
    read: async (buffer) => {
      const count = await connection.read(buffer);
      if (count === null) end("fin");
      else recordRead(record, buffer.subarray(0, count));
      return count;
    },
    writeAll: async (bytes) => {
      for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
    },
    closeWrite: () => connection.closeWrite(),
  };
  try {
    await serve(session);
  } catch (error) {
    end(isReset(error) ? "reset" : "closed");
  } finally {
    end("closed");
    closeQuietly(connection);
  }
}

async function readToEnd(session: Session, hash?: Hash): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count; (count = await session.read(buffer)) !== null;) hash?.update(buffer.subarray(0, count));
}

function recordRead(record: BackendConnection, bytes: Uint8Array): void {
  record.bytesReceived += bytes.length;
  const room = HEAD_BYTES_MAX - record.head.length;
  if (room > 0) record.head = concat(record.head, bytes.subarray(0, room));
}

function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed by the other path: disposal and the end of service may meet.
  }
}

/** Keeps what a backend saw and wakes whoever waits for a connection. */
class Recorder {
  readonly #connections: BackendConnection[] = [];
  readonly #arrivals = arrivals();

  add(peer: string): { record: BackendConnection; end: (how: ConnectionEnd) => void } {
    const { promise: ended, resolve: end } = Promise.withResolvers<ConnectionEnd>();
    const record = { peer, bytesReceived: 0, head: new Uint8Array(), ended };
    this.#connections.push(record);
    this.#arrivals.notify();
    return { record, end };
  }

  backend(port: number, dispose: () => Promise<void>): Backend {
    return {
      addr: `127.0.0.1:${port}`,
      port,
      connections: this.#connections,
      connection: (index, timeoutMs = 5_000) => this.#connection(index, timeoutMs),
      [Symbol.asyncDispose]: dispose,
    };
  }

  async #connection(index: number, timeoutMs: number): Promise<BackendConnection> {
    const record = await this.#arrivals.until(() => this.#connections[index], timeoutMs);
    if (record !== undefined) return record;
    throw new DOMException(`no connection ${index} at the backend in ${timeoutMs} ms`, "TimeoutError");
  }
}
