/**
 * Reads the ClientHello and keeps every byte of it for the backend.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";
import { ClientHelloReader } from "../wire/client_hello.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { DataPlane } from "./data_plane.ts";

/** The hello was read, and `peeked` is everything that the client has sent so far; or why there is none. */
export type Sniffed =
  | { readonly kind: "hello"; readonly peeked: Uint8Array<ArrayBuffer> }
  | { readonly kind: "invalid"; readonly reason: Reason };

/** Holds what most clients send first; a post-quantum hello may take a second read. */
const FIRST_READ_BYTES = 2_048;

/** Reads until the hello is whole, invalid or late. The deadline counts from the accept. */
export async function sniff(plane: DataPlane, connection: ClientConnection): Promise<Sniffed> {
  connection.onDeadline = () => connection.end("hello_timeout");
  plane.deadlines.set(
    connection.deadline,
    Math.max(0, connection.state.limits.clientHelloTimeoutMs - connection.elapsedMs()),
  );
  const reader = new ClientHelloReader();
  let buffer = new Uint8Array(FIRST_READ_BYTES);
  let length = 0;
  for (;;) {
    const read = await readSome(connection, buffer.subarray(length));
    if (typeof read === "string") return { kind: "invalid", reason: read };
    connection.bytesReceived += read;
    const outcome = reader.push(buffer.subarray(length, length + read));
    length += read;
    if (outcome.kind === "hello") {
      plane.deadlines.clear(connection.deadline);
      connection.hello = outcome.hello;
      connection.helloMs = connection.elapsedMs();
      return { kind: "hello", peeked: buffer.subarray(0, length) };
    }
    if (outcome.kind === "invalid") return outcome;
    if (length === buffer.length) buffer = grown(buffer);
  }
}

async function readSome(connection: ClientConnection, space: Uint8Array): Promise<number | Reason> {
  try {
    return await connection.socket.read(space) ?? "hello_eof";
  } catch {
    return connection.endedBy ?? "client_reset";
  }
}

/** The reader's limit on raw bytes ends the growth. */
function grown(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(buffer.length * 2);
  larger.set(buffer);
  return larger;
}
