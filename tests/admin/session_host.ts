/**
 * A session on a real socket, with a clock of its own and one method.
 *
 * @module
 */

import { type AddressInfo, createServer, type Socket } from "node:net";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";

import { ByteBudget } from "../../src/admin/byte_budget.ts";
import { CallTurns } from "../../src/admin/call_turns.ts";
import { ANYONE } from "../../src/admin/caller.ts";
import { GrpcSession } from "../../src/admin/grpc_session.ts";
import { Deadlines } from "../../src/net/deadlines.ts";
import { SocketTransport } from "../../src/net/socket_transport.ts";

/** The method. */
export const PATH = "/x.Test/Call";

type Answer = (request: UniversalServerRequest) => AsyncIterable<Uint8Array>;

/** A session and the client's end of its socket. */
export class Host implements AsyncDisposable {
  nowMs = 0;
  readonly requests = new ByteBudget(32 << 20);
  readonly answers = new ByteBudget(64 << 20);
  isGone = false;
  readonly gone = Promise.withResolvers<void>();
  readonly conn: Deno.Conn;
  readonly #server: ReturnType<typeof createServer>;
  readonly #socket: Socket;
  readonly #deadlines = new Deadlines();
  readonly session: GrpcSession;

  private constructor(
    server: ReturnType<typeof createServer>,
    conn: Deno.Conn,
    socket: Socket,
    answer: Answer,
    { error = "", methodKind = "unary" }: { error?: string; methodKind?: string },
  ) {
    this.#server = server;
    this.conn = conn;
    this.#socket = socket;
    const handler = Object.assign(
      (request: UniversalServerRequest) =>
        Promise.resolve({
          status: 200,
          header: new Headers({ "content-type": "application/grpc" }),
          body: answer(request),
          trailer: new Headers(
            error === "" ? { "grpc-status": "0" } : { "grpc-status": "5", "grpc-message": error },
          ),
        }),
      { method: { methodKind }, requestPath: PATH },
    ) as unknown as UniversalHandler;
    this.session = new GrpcSession({
      handlers: new Map([[PATH, handler]]),
      requests: this.requests,
      answers: this.answers,
      turns: new CallTurns(),
      caller: ANYONE,
      openTransport: (own) =>
        new SocketTransport(socket, own, { deadlines: this.#deadlines, reset: () => socket.destroy() }),
      now: () => this.nowMs,
      onGone: () => {
        this.isGone = true;
        this.gone.resolve();
      },
    });
  }

  static async start(
    answer: Answer = async function* () {},
    options: { error?: string; methodKind?: string } = {},
  ): Promise<Host> {
    const accepted = Promise.withResolvers<Socket>();
    const server = createServer({ allowHalfOpen: true }, accepted.resolve);
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: (server.address() as AddressInfo).port });
    return new Host(server, conn, await accepted.promise, answer, options);
  }

  /** Lets the clock say `nowMs`, and the session look at it. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    this.session.tick();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await within(this.gone.promise);
    this.#deadlines[Symbol.dispose]();
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    await closed.promise;
  }
}

/** Rejects when it takes more than ten seconds. */
export async function within(promise: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("it goes on")), 10_000);
  await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
