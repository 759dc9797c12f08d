/**
 * The one backend of all measures, a process of its own: `backend.ts STREAM_BYTES ANSWER_BYTES`. Writes its ports as
 * one line of JSON ({@linkcode BackendPorts}) and runs until standard input ends.
 *
 * @module
 */

/** Where it listens on 127.0.0.1. */
export interface BackendPorts {
  /** After the first bytes sends STREAM_BYTES and closes. */
  readonly stream: number;
  /** After the first bytes sends ANSWER_BYTES and closes. */
  readonly answer: number;
  /** Sends back whatever comes. */
  readonly echo: number;
}

const CHUNK_BYTES = 262_144;
const chunk = new Uint8Array(CHUNK_BYTES);

function listen(serve: (connection: Deno.TcpConn) => Promise<void>): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 4096 });
  const accept = async () => {
    for (;;) {
      const connection = await listener.accept().catch(() => null);
      if (connection === null) continue;
      serve(connection).catch(() => {}).finally(() => connection.close());
    }
  };
  accept();
  return listener.addr.port;
}

/** Sends `bytes` bytes after the first ones came. */
function sends(bytes: number): (connection: Deno.TcpConn) => Promise<void> {
  return async (connection) => {
    await connection.read(new Uint8Array(4_096));
    for (let left = bytes; left > 0;) {
      left -= await connection.write(left < CHUNK_BYTES ? chunk.subarray(0, left) : chunk);
    }
  };
}

async function echoes(connection: Deno.TcpConn): Promise<void> {
  connection.setNoDelay(true);
  const buffer = new Uint8Array(4_096);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    await connection.write(buffer.subarray(0, count));
  }
}

async function main([streamBytes, answerBytes]: string[]): Promise<void> {
  const ports: BackendPorts = {
    stream: listen(sends(Number(streamBytes))),
    answer: listen(sends(Number(answerBytes))),
    echo: listen(echoes),
  };
  await new Blob([`${JSON.stringify(ports)}\n`]).stream().pipeTo(Deno.stdout.writable, {
    preventClose: true,
  });
  for await (const _ of Deno.stdin.readable);
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
