/**
 * Makes a connection to a backend that HTTP can begin on: dialled, told whose it is, and in TLS where it has to be.
 *
 * @module
 */

import { Deadline } from "../net/deadlines.ts";
import { dial } from "../net/dial.ts";
import { closeQuietly } from "../net/reset.ts";
import type { BackendTarget, BackendTls } from "./backend_target.ts";
import type { HttpPlane } from "./http_plane.ts";

/** Why there is no connection. */
export type DialFault = "dial_failed" | "dial_timeout" | "loop" | "tls_failed";

/**
 * Dials.
 *
 * @param header the first bytes, before any TLS; absent = none
 * @returns the connection, which is the caller's, or why there is none; never throws
 */
export async function dialBackend(
  plane: HttpPlane,
  target: BackendTarget,
  header: Uint8Array | undefined,
): Promise<Deno.TcpConn | DialFault> {
  const { connectTimeoutMs, dialTimeoutMs } = plane.state.limits;
  const outcome = await dial(target.endpoint, {
    deadlines: plane.deadlines,
    connectTimeoutMs,
    dialTimeoutMs,
  });
  if (outcome.kind !== "connected") return outcome.kind;
  const { conn } = outcome;
  if (plane.isOwnListener(conn)) {
    closeQuietly(conn);
    return "loop";
  }
  try {
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
    if (header !== undefined) await writeAll(conn, header);
    return target.tls === undefined ? conn : await startTls(plane, conn, target, target.tls);
  } catch {
    closeQuietly(conn);
    return "dial_failed";
  }
}

/** The process's own root store is empty, so the given certificates are all that is trusted. */
async function startTls(
  plane: HttpPlane,
  conn: Deno.TcpConn,
  { version }: BackendTarget,
  { serverName, certificates }: BackendTls,
): Promise<Deno.TcpConn | DialFault> {
  if (certificates === undefined) {
    closeQuietly(conn);
    return "tls_failed";
  }
  const secured = await Deno.startTls(conn, {
    hostname: serverName,
    caCerts: [...certificates],
    alpnProtocols: [version],
  });
  const deadline = new Deadline(() => closeQuietly(secured));
  plane.deadlines.set(deadline, plane.state.limits.tlsHandshakeTimeoutMs);
  try {
    const { alpnProtocol } = await secured.handshake();
    // RFC 9113 §3.2: HTTP/2 over TLS is spoken only where ALPN chose it.
    if (version === "h2" && alpnProtocol !== "h2") throw new TypeError("the backend doesn't speak h2");
    return secured as unknown as Deno.TcpConn;
  } catch {
    closeQuietly(secured);
    return "tls_failed";
  } finally {
    plane.deadlines.clear(deadline);
  }
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await conn.write(bytes.subarray(written));
}
