/**
 * Ends a connection that gets no backend, in the way that its reason says.
 *
 * @module
 */

import { LINGER_BYTES, LINGER_MS } from "../net/transport.ts";
import { type Reason, REASONS } from "../reasons.ts";
import { tlsAlert } from "../wire/tls_alert.ts";
import type { ClientConnection } from "./client_connection.ts";

/**
 * Tells the client nothing (RST, FIN) or a TLS alert.
 *
 * @param alert for a reason that has alerts of several descriptions; default: the reason's own
 * @returns the reason
 */
export async function refuse(
  connection: ClientConnection,
  reason: Reason,
  alert: number | undefined = meaningOf(reason).alert,
): Promise<Reason> {
  const { ending } = meaningOf(reason);
  if (ending === "rst") connection.end(reason);
  else if (ending === "alert" && alert !== undefined && connection.endedBy === undefined) {
    connection.endIn(reason, LINGER_MS);
    await alertAndLinger(connection, tlsAlert(alert));
  }
  return reason;
}

function meaningOf(reason: Reason): { ending: string; alert?: number } {
  return REASONS[reason];
}

/** Unread input would make the kernel send RST, which can overtake the alert and destroy it. */
async function alertAndLinger(connection: ClientConnection, alert: Uint8Array): Promise<void> {
  const { socket } = connection;
  try {
    connection.bytesSent += await socket.write(alert);
    await socket.closeWrite();
    const ignored = new Uint8Array(4_096);
    for (let lingered = 0; lingered < LINGER_BYTES;) {
      const read = await socket.read(ignored);
      if (read === null) return;
      lingered += read;
    }
  } catch {
    // The client has gone, or the deadline has come: either way the reason stands.
  }
}
