/**
 * A backend that says at the first byte which one it is, then sends back what it gets: its client knows whom it has
 * reached and that every byte arrived there as it was sent.
 *
 * @module
 */

/** A running backend. */
export interface NamingBackend extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly addr: string;
  /** Everything that each connection has sent so far, oldest connection first. */
  readonly received: readonly Uint8Array[];
}

const BUFFER_BYTES = 65_536;

/** Starts a backend that says `name` and a line feed. */
export function namingBackend(name: string): NamingBackend {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1_024 });
  const received: Uint8Array[] = [];
  const greeting = new TextEncoder().encode(`${name}\n`);
  let stopped = false;
  const serve = async (connection: Deno.TcpConn) => {
    const at = received.push(new Uint8Array(0)) - 1;
    try {
      const buffer = new Uint8Array(BUFFER_BYTES);
      for (let count; (count = await connection.read(buffer)) !== null;) {
        if (received[at]!.length === 0) await connection.write(greeting);
        const all = new Uint8Array(received[at]!.length + count);
        all.set(received[at]!);
        all.set(buffer.subarray(0, count), received[at]!.length);
        received[at] = all;
        for (let sent = 0; sent < count;) sent += await connection.write(buffer.subarray(sent, count));
      }
    } catch {
      // The client's end is the client's affair; what it got is judged there.
    } finally {
      connection.close();
    }
  };
  const accepting = (async () => {
    while (!stopped) {
      const connection = await listener.accept().catch(() => null);
      if (connection !== null) void serve(connection);
    }
  })();
  return {
    addr: `127.0.0.1:${listener.addr.port}`,
    received,
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      listener.close();
      await accepting;
    },
  };
}
