/**
 * Notices the reset of a peer that nobody is reading from, because the other side doesn't take what it has sent. Only
 * a read or a write would fail, and neither happens while the other side is stalled.
 *
 * @module
 */

import { descriptorOf, findDeadConnections, isSocketDead } from "../net/native.ts";
import type { ClientConnection } from "./client_connection.ts";

/** A write that waits for so long is looked at. */
const STALLED_MS = 1_000;

/**
 * Ends each stalled connection whose silent side has gone. Called about once a second; costs one pass over the
 * descriptors while any client is stalled, for the runtime doesn't tell that of a backend's end.
 *
 * @param connections all that are open
 * @param nowMs by the clock of `lastByteMs`
 */
export function endStalled(connections: Iterable<ClientConnection>, nowMs: number): void {
  const byPort = new Map<number, ClientConnection>();
  for (const connection of connections) {
    if (connection.endedBy !== undefined || nowMs - connection.lastByteMs < STALLED_MS) continue;
    if (connection.isSendingUp && isSocketDead(descriptorOf(connection.socket))) {
      connection.end("client_reset");
    } else if (connection.isSendingDown && connection.backend !== undefined) {
      byPort.set(connection.backend.localAddr.port, connection);
    }
  }
  if (byPort.size === 0) return;
  for (const port of findDeadConnections(byPort)) byPort.get(port)!.end("backend_reset");
}
