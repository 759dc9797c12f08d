/**
 * A program of the test of takeovers under load: servers relieve each other while hundreds of streams are open and new
 * connections come all the time. Run by itself, so that the test can give it a network of its own. Prints one line of
 * JSON, a {@linkcode LoadReport}.
 *
 * @module
 */

import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { routes } from "../support/config.ts";
import { fillPattern } from "../support/pattern.ts";
import { print } from "../support/print.ts";
import { Program } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET } from "./admin_api.ts";
import { pause } from "./eventually.ts";

/** What came of it. */
export interface LoadReport {
  /** Servers that were relieved. */
  readonly takeovers: number;
  /** Streams that were open from before the first takeover until after the last one. */
  readonly streams: number;
  /** Blocks that they had echoed. */
  readonly blocks: number;
  /** Streams that ended, or brought a wrong byte. */
  readonly cut: number;
  /** New connections that were echoed whole. */
  readonly connections: number;
  /** New connections that were refused by the kernel. */
  readonly refused: number;
  /** New connections that were reset after the kernel had taken them. */
  readonly reset: number;
  /** Every other failure of a new connection. */
  readonly others: readonly string[];
}

const NAME = "load.test";
const STREAMS = 200;
const BLOCK_BYTES = 2_048;
/** Between two blocks of a stream. */
const REST_MS = 250;
/** Who connects all the time. */
const CONNECTORS = 64;

/** Runs it. @param takeovers how many */
export async function load(takeovers: number): Promise<LoadReport> {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [NAME]: backend.addr }) }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2, shutdown_timeout: "120s" },
  });
  const [hostname, port] = proxy.addr.split(":") as [string, string];
  const connect = (): Promise<Deno.TcpConn> => Deno.connect({ hostname, port: Number(port) });
  const hello = clientHello({ serverName: NAME });
  const counts = { blocks: 0, cut: 0, connections: 0, refused: 0, reset: 0 };
  const others: string[] = [];
  let isOver = false;

  const stream = async (): Promise<void> => {
    try {
      using conn = await connect();
      await echo(conn, hello);
      const block = new Uint8Array(BLOCK_BYTES);
      for (let round = 0; !isOver; round++) {
        fillPattern(block, round * BLOCK_BYTES);
        await echo(conn, block);
        counts.blocks++;
        await pause(REST_MS);
      }
    } catch (error) {
      counts.cut++;
      others.push(`stream: ${String(error)}`);
    }
  };
  const connector = async (): Promise<void> => {
    while (!isOver) {
      try {
        using conn = await connect();
        await echo(conn, hello);
        counts.connections++;
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) counts.refused++;
        else if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
          counts.reset++;
        } else others.push(String(error));
      }
    }
  };
  const streams = Array.from({ length: STREAMS }, stream);
  while (counts.blocks < STREAMS && counts.cut === 0) await pause(20);
  const connectors = Array.from({ length: CONNECTORS }, connector);
  const programs: Program[] = [];
  for (let count = 0; count < takeovers; count++) {
    const before = programs.at(-1) ?? proxy.program;
    const next = new Program(["server", "-c", proxy.config.path, "--takeover"]);
    programs.push(next);
    await next.ready(60_000);
    await before.event(({ event, step }) => event === "handover" && step === "handed_over", 60_000);
    // Its queues are emptied within a second.
    await pause(1_500);
  }
  isOver = true;
  await Promise.all([...streams, ...connectors]);
  for (const program of programs) await program[Symbol.asyncDispose]();
  return { takeovers, streams: STREAMS, ...counts, others };
}

/** Sends, and reads the same back. */
async function echo(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  await conn.write(bytes);
  const buffer = new Uint8Array(bytes.length);
  for (let held = 0; held < bytes.length;) {
    const count = await conn.read(buffer.subarray(held));
    if (count === null) throw new Deno.errors.ConnectionReset("ended");
    held += count;
  }
  if (buffer.some((byte, index) => byte !== bytes[index])) throw new Error("a wrong byte");
}

// deno-lint-ignore no-top-level-await -- the entry of the scenario's own process
if (import.meta.main) print(JSON.stringify(await load(Number(Deno.args[0] ?? 1))));
