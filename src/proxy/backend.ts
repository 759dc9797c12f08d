/**
 * Connects a client connection to its backend.
 *
 * @module
 */

import { dial } from "../net/dial.ts";
import { closeQuietly } from "../net/reset.ts";
import type { Reason } from "../reasons.ts";
import type { Endpoint } from "../state/model.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { DataPlane } from "./data_plane.ts";

/**
 * Dials and gives the connection its backend. A client that was ended meanwhile gets none.
 *
 * @returns the backend's socket, which is the connection's to close, or why there is none
 */
export async function dialBackend(
  plane: DataPlane,
  connection: ClientConnection,
  target: Endpoint,
): Promise<Deno.TcpConn | Reason> {
  const startedMs = connection.elapsedMs();
  const { connectTimeoutMs, dialTimeoutMs } = connection.state.limits;
  const outcome = await dial(target, { deadlines: plane.deadlines, connectTimeoutMs, dialTimeoutMs });
  connection.dialMs = connection.elapsedMs() - startedMs;
  if (outcome.kind !== "connected") return outcome.kind;
  if (connection.endedBy !== undefined) {
    closeQuietly(outcome.conn);
    return connection.endedBy;
  }
  if (plane.isOwnListener(outcome.conn)) {
    closeQuietly(outcome.conn);
    return "loop";
  }
  connection.backend = outcome.conn;
  return outcome.conn;
}
