/**
 * Reads the ClientHello and takes none of it: the backend gets every byte.
 *
 * @module
 */

import type { Reason } from "../reasons.ts";
import { ClientHelloReader } from "../wire/client_hello.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Peeked } from "./peeked.ts";

/**
 * Reads until the hello is whole, invalid or late. The deadline counts from the accept.
 *
 * @returns why there is no hello; absent = it is the connection's
 */
export async function sniff(connection: ClientConnection, peeked: Peeked): Promise<Reason | undefined> {
  connection.endAt("hello_timeout", connection.state.limits.clientHelloTimeoutMs);
  const reader = new ClientHelloReader();
  let outcome = reader.push(peeked.bytes);
  while (outcome.kind === "need_more") {
    const read = await peeked.readMore("hello_eof");
    if (typeof read === "string") return read;
    outcome = reader.push(read);
  }
  if (outcome.kind === "invalid") return outcome.reason;
  connection.greet(outcome.hello);
  return undefined;
}
