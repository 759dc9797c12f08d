/**
 * Carries bytes both ways between a client and its backend until both have finished.
 *
 * @module
 */

import { proxyHeaderFor } from "../l7/proxy_header.ts";
import type { Reason } from "../reasons.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Peeked } from "./peeked.ts";

/** A waiting read holds its buffer, so an idle connection costs two of these. */
const BUFFER_BYTES_MIN = 2_048;
/** Grown to while reads fill it. */
const BUFFER_BYTES_MAX = 262_144;

/** What has become of the sides, shared by both directions. */
interface Ends {
  /** Which side has finished first. */
  first: "client_eof" | "backend_eof" | undefined;
  /** Which side takes nothing more; what it had sent before is still read. */
  broken: "client_reset" | "backend_reset" | undefined;
}

/** Replays what was peeked, then relays. @returns why it ended */
export async function relay(
  connection: ClientConnection,
  backend: Deno.TcpConn,
  peeked: Peeked,
): Promise<Reason> {
  const { route, state } = connection;
  connection.endWhenIdle("idle", route?.idleTimeoutMs ?? state.limits.idleTimeoutMs);
  const ends: Ends = { first: undefined, broken: undefined };
  const toBackend = sendToBackend(connection, backend, peeked, ends);
  await sendToClient(connection, backend, ends);
  await toBackend;
  return connection.endedBy ?? ends.first ?? "internal";
}

async function sendToBackend(
  connection: ClientConnection,
  backend: Deno.TcpConn,
  peeked: Peeked,
  ends: Ends,
): Promise<void> {
  const { socket } = connection;
  let isReading = false;
  try {
    await writeRest(backend, firstBytes(connection, peeked), 0);
    // After a large hello or PROXY header a small one: the client may be idle from here on.
    let buffer = fitted(new Uint8Array(peeked.giveBuffer()), 0);
    // The hello travels alone, so what follows is the first that Nagle's algorithm could hold back.
    let isDelayed = true;
    for (;;) {
      isReading = true;
      const read = await socket.read(buffer);
      isReading = false;
      if (read === null) break;
      connection.touch();
      connection.bytesReceived += read;
      if (isDelayed) {
        backend.setNoDelay(true);
        backend.setKeepAlive(true);
        isDelayed = false;
      }
      connection.isSendingUp = true;
      const written = await backend.write(read === buffer.length ? buffer : buffer.subarray(0, read));
      if (written < read) await writeRest(backend, buffer.subarray(0, read), written);
      connection.isSendingUp = false;
      buffer = fitted(buffer, read);
    }
    if (ends.broken !== undefined) return connection.end(ends.broken);
    if (finished(connection, ends, "client_eof")) await backend.closeWrite();
  } catch {
    if (isReading) connection.end("client_reset");
    else writeFailed(connection, ends, "backend_reset");
  }
}

async function sendToClient(
  connection: ClientConnection,
  backend: Deno.TcpConn,
  ends: Ends,
): Promise<void> {
  const { socket } = connection;
  let buffer = new Uint8Array(BUFFER_BYTES_MIN);
  let isReading = false;
  try {
    for (;;) {
      isReading = true;
      const read = await backend.read(buffer);
      isReading = false;
      if (read === null) break;
      connection.touch();
      connection.bytesSent += read;
      connection.isSendingDown = true;
      const written = await socket.write(read === buffer.length ? buffer : buffer.subarray(0, read));
      if (written < read) await writeRest(socket, buffer.subarray(0, read), written);
      connection.isSendingDown = false;
      buffer = fitted(buffer, read);
    }
    if (ends.broken !== undefined) return connection.end(ends.broken);
    if (finished(connection, ends, "backend_eof")) await socket.closeWrite();
  } catch {
    if (isReading) connection.end("backend_reset");
    else writeFailed(connection, ends, "client_reset");
  }
}

/** What was peeked, behind a PROXY header where the route sends one: in one write. */
function firstBytes(connection: ClientConnection, peeked: Peeked): Uint8Array {
  if (connection.route?.sendProxyProtocol !== true) return peeked.bytes;
  const header = proxyHeaderFor(connection);
  const bytes = new Uint8Array(header.length + peeked.bytes.length);
  bytes.set(header);
  bytes.set(peeked.bytes, header.length);
  return bytes;
}

/** Writes what comes after the first `written` bytes. */
async function writeRest(to: Deno.TcpConn, bytes: Uint8Array, written: number): Promise<void> {
  for (let total = written; total < bytes.length;) total += await to.write(bytes.subarray(total));
}

/**
 * A write to one side has failed. Who closes without having read all resets the connection behind the last that he has
 * sent, an alert maybe: the other direction passes that on and then meets the reset, as an error or as an end.
 */
function writeFailed(
  connection: ClientConnection,
  ends: Ends,
  reason: "client_reset" | "backend_reset",
): void {
  if (ends.first !== undefined || ends.broken !== undefined) return connection.end(ends.broken ?? reason);
  ends.broken = reason;
}

/** One side has finished: the other may take its time, within a limit. @returns whether it hasn't finished yet */
function finished(connection: ClientConnection, ends: Ends, end: "client_eof" | "backend_eof"): boolean {
  if (ends.first !== undefined) return false;
  ends.first = end;
  connection.endWhenIdle("half_closed_idle", connection.state.limits.halfClosedTimeoutMs);
  return true;
}

/** The buffer for the next read: larger while reads fill it, small again when they come small. */
function fitted(buffer: Uint8Array<ArrayBuffer>, read: number): Uint8Array<ArrayBuffer> {
  if (read === buffer.length) {
    return buffer.length < BUFFER_BYTES_MAX
      ? new Uint8Array(Math.min(buffer.length * 4, BUFFER_BYTES_MAX))
      : buffer;
  }
  const isTooLarge = buffer.length > BUFFER_BYTES_MIN * 4 && read * 16 < buffer.length;
  return isTooLarge ? new Uint8Array(BUFFER_BYTES_MIN) : buffer;
}
