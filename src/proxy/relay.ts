/**
 * Carries bytes both ways between a client and its backend until both have finished.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { DataPlane } from "./data_plane.ts";
import type { Peeked } from "./peeked.ts";
import { proxyHeaderFor } from "./proxy_header.ts";

/** A waiting read holds its buffer, so an idle connection costs two of these. */
const BUFFER_BYTES_MIN = 2_048;
/** Grown to while reads fill it. */
const BUFFER_BYTES_MAX = 262_144;

/** What both directions of one relay share. */
class Relay {
  readonly connection: ClientConnection;
  readonly #plane: DataPlane;
  /** Who finished first, and so why the connection ended. */
  firstEnd: "client_eof" | "backend_eof" | undefined;
  lastByteMs = performance.now();

  constructor(plane: DataPlane, connection: ClientConnection) {
    this.#plane = plane;
    this.connection = connection;
  }

  /** Waits for the idle limit; each time it comes, looks when the last byte went through. */
  watch(timeoutMs: number, reason: "idle" | "half_closed_idle"): void {
    const { connection } = this;
    this.#plane.deadlines.clear(connection.deadline);
    if (timeoutMs === 0) return;
    connection.onDeadline = () => {
      const leftMs = this.lastByteMs + timeoutMs - performance.now();
      if (leftMs <= 0) connection.end(reason);
      else this.#plane.deadlines.set(connection.deadline, leftMs);
    };
    this.#plane.deadlines.set(connection.deadline, timeoutMs);
  }

  /** One side has finished. @returns whether the other hasn't yet */
  finished(end: "client_eof" | "backend_eof"): boolean {
    if (this.firstEnd !== undefined) return false;
    this.firstEnd = end;
    this.lastByteMs = performance.now();
    this.watch(this.connection.state.limits.halfClosedTimeoutMs, "half_closed_idle");
    return true;
  }
}

/** Replays what was peeked, then relays. @returns why it ended */
export async function relay(
  plane: DataPlane,
  connection: ClientConnection,
  peeked: Peeked,
): Promise<Reason> {
  const shared = new Relay(plane, connection);
  shared.watch(connection.idleTimeoutMs, "idle");
  const upstream = sendUpstream(shared, peeked);
  await sendDownstream(shared);
  await upstream;
  return connection.endedBy ?? shared.firstEnd ?? "internal";
}

/** Client to backend. */
async function sendUpstream(shared: Relay, peeked: Peeked): Promise<void> {
  const { connection } = shared;
  const { socket, backend } = connection;
  let buffer = new Uint8Array(peeked.buffer);
  let reading = false;
  try {
    const first = connection.sendsProxyHeader
      ? joined(proxyHeaderFor(connection), peeked.bytes)
      : peeked.bytes;
    await writeAll(backend!, first, first.length);
    // The hello travels alone, so what follows is the first that Nagle's algorithm could hold back.
    let isDelayed = true;
    for (;;) {
      reading = true;
      const read = await socket.read(buffer);
      if (read === null) break;
      reading = false;
      shared.lastByteMs = performance.now();
      connection.bytesReceived += read;
      if (isDelayed) {
        backend!.setNoDelay(true);
        isDelayed = false;
      }
      await writeAll(backend!, buffer, read);
      buffer = fitted(buffer, read);
    }
    if (shared.finished("client_eof")) await backend!.closeWrite();
  } catch {
    connection.end(reading ? "client_reset" : "backend_reset");
  }
}

/** Backend to client. */
async function sendDownstream(shared: Relay): Promise<void> {
  const { connection } = shared;
  const { socket, backend } = connection;
  let buffer = new Uint8Array(BUFFER_BYTES_MIN);
  let reading = false;
  try {
    for (;;) {
      reading = true;
      const read = await backend!.read(buffer);
      if (read === null) break;
      reading = false;
      shared.lastByteMs = performance.now();
      connection.bytesSent += read;
      await writeAll(socket, buffer, read);
      buffer = fitted(buffer, read);
    }
    if (shared.finished("backend_eof")) await socket.closeWrite();
  } catch {
    connection.end(reading ? "backend_reset" : "client_reset");
  }
}

async function writeAll(to: Deno.TcpConn, buffer: Uint8Array, length: number): Promise<void> {
  let written = await to.write(length === buffer.length ? buffer : buffer.subarray(0, length));
  while (written < length) written += await to.write(buffer.subarray(written, length));
}

function joined(head: Uint8Array, rest: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + rest.length);
  whole.set(head);
  whole.set(rest, head.length);
  return whole;
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
