/**
 * The life of a connection, from accept to close. All branching is here; what it calls is straight-line.
 *
 * @module
 */

import { terminate } from "../l7/terminate.ts";
import { admit, route } from "../policy/decide.ts";
import type { Reason } from "../reasons.ts";
import type { Route } from "../state/model.ts";
import { dialBackend } from "./backend.ts";
import { ClientConnection } from "./client_connection.ts";
import type { DataPlane } from "./data_plane.ts";
import type { BoundListener } from "./listener.ts";
import { Peeked } from "./peeked.ts";
import { receiveProxyHeader, requiresProxyHeader } from "./proxy_header.ts";
import { refuse } from "./refuse.ts";
import { relay } from "./relay.ts";
import { sniff } from "./sniff.ts";

/**
 * Serves one accepted connection to its end. Ends with exactly one event, whatever happens.
 *
 * @param plane the worker @param listener who accepted it @param socket ownership passes to this function
 */
export async function handleConnection(
  plane: DataPlane,
  listener: BoundListener,
  socket: Deno.TcpConn,
): Promise<void> {
  const connection = new ClientConnection(plane, listener, socket);
  let reason: Reason = "internal";
  try {
    reason = await serve(plane, connection);
  } catch (error) {
    if (connection.endedBy === undefined) plane.reportDefect(error);
  } finally {
    connection.close(reason);
  }
}

async function serve(plane: DataPlane, connection: ClientConnection): Promise<Reason> {
  const { state } = connection;

  const peeked = new Peeked(connection);
  if (requiresProxyHeader(connection)) {
    const headerFault = await receiveProxyHeader(connection, peeked);
    if (headerFault !== undefined) return refuse(connection, headerFault);
  }

  const admission = connection.admitted(admit(connection, state));
  if (admission.kind === "deny") return refuse(connection, admission.reason);

  const helloFault = await sniff(connection, peeked);
  if (helloFault !== undefined) return refuse(connection, helloFault);

  const target = connection.routed(route<Route>(connection, state));
  if (typeof target === "string") return refuse(connection, target);

  if (connection.isTerminated) {
    const ended = await terminate(plane.http, connection, peeked.bytes);
    return typeof ended === "string" ? ended : refuse(connection, ended.reason, ended.alert);
  }

  const dialled = await dialBackend(plane, connection, target);
  if (typeof dialled === "string") return refuse(connection, dialled);

  return relay(connection, dialled, peeked);
}
