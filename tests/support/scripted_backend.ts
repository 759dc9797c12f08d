/**
 * A backend that does to each connection what the test's own script says.
 *
 * @module
 */

/** A running backend. Disposal ends the listener and all of its connections, and throws what a script threw. */
export interface ScriptedBackend extends AsyncDisposable {
  /** `127.0.0.1:port`, as a route names it. */
  readonly addr: string;
}

/** Runs `script` on every connection and closes the connection after it. */
export function scriptedBackend(script: (connection: Deno.TcpConn) => Promise<void>): ScriptedBackend {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Map<Deno.TcpConn, Promise<void>>();
  const faults: unknown[] = [];
  let stopped = false;
  const serve = async (connection: Deno.TcpConn) => {
    try {
      await script(connection);
    } catch (error) {
      if (!stopped) faults.push(error);
    }
    closeQuietly(connection);
  };
  const accepting = (async () => {
    while (!stopped) {
      const connection = await listener.accept().catch(() => null);
      if (connection !== null) open.set(connection, serve(connection));
    }
  })();
  return {
    addr: `127.0.0.1:${listener.addr.port}`,
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      listener.close();
      for (const connection of open.keys()) closeQuietly(connection);
      await Promise.all([accepting, ...open.values()]);
      if (faults.length > 0) throw new AggregateError(faults, "a backend's script failed");
    },
  };
}

/** Reads to the FIN; throws at a RST. */
export async function readToFin(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (await connection.read(buffer) !== null);
}

/** Writes all of `bytes`. */
export async function writeWhole(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
