/**
 * Accepted connections for tests of what reads their first bytes: real sockets, a real state, the real deadlines; of
 * the worker only what the first bytes need.
 *
 * @module
 */

import { Deadlines } from "../../src/net/deadlines.ts";
import { Resetter } from "../../src/net/reset.ts";
import { ClientConnection } from "../../src/proxy/client_connection.ts";
import type { DataPlane } from "../../src/proxy/data_plane.ts";
import type { BoundListener } from "../../src/proxy/listener.ts";
import { Registry } from "../../src/proxy/registry.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Listener, Route } from "../../src/state/model.ts";
import { buildRuntimeState } from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";

/** An accepted connection and the client's end of it. Disposal closes both. */
export interface Accepted extends Disposable {
  readonly connection: ClientConnection;
  readonly client: Deno.TcpConn;
}

/** What a listener is told; the rest takes its default. */
export interface AcceptOptions extends Partial<Pick<Listener, "proxyProtocol" | "trustedProxies">> {
  /** Default: that of the configuration. */
  readonly clientHelloTimeoutMs?: number;
  readonly routes?: readonly Route[];
}

/** Accepts a connection from 127.0.0.1. */
export async function accept(options: AcceptOptions = {}): Promise<Accepted> {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = server.addr;
  const [client, socket] = await Promise.all([Deno.connect({ hostname, port }), server.accept()]);
  client.setNoDelay(true);
  const deadlines = new Deadlines();
  const connection = new ClientConnection(
    planeOf(options, deadlines),
    { id: 1, name: `${hostname}:${port}`, slot: 0, host: hostname, port, maxConnections: 0 } as BoundListener,
    socket,
  );
  return {
    connection,
    client,
    [Symbol.dispose]: () => {
      deadlines[Symbol.dispose]();
      for (const end of [client, socket]) closed(end);
    },
  };
}

function planeOf(options: AcceptOptions, deadlines: Deadlines): DataPlane {
  const { proxyProtocol = false, trustedProxies = [], routes = [] } = options;
  const address = { host: "127.0.0.1", port: 443 };
  const listener = { id: 1, address, maxConnections: 0, proxyProtocol, trustedProxies, routes };
  const { clientHelloTimeoutMs = DEFAULT_LIMITS.clientHelloTimeoutMs } = options;
  const state = runToEnd(buildRuntimeState({ listeners: [listener], firewallRules: [] }, {
    revision: 1,
    generation: 0,
    limits: { ...DEFAULT_LIMITS, clientHelloTimeoutMs },
    blockUnknownCountry: false,
  }));
  const plane: Partial<DataPlane> = {
    state,
    deadlines,
    resetter: new Resetter(() => {}),
    connections: new Registry<ClientConnection>(),
    nextConnectionId: () => "id-0-1",
  };
  return plane as DataPlane;
}

function closed(end: Deno.TcpConn): void {
  try {
    end.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
