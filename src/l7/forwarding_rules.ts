/**
 * What a backend is told about who asked: the forwarding fields, from facts that no client can write.
 *
 * @module
 */

/** Facts of one client connection towards one kind of backend; every request of it uses the same object. */
export interface ForwardingFacts {
  /** The client's canonical address, without port and brackets; the declared one behind a trusted PROXY header. */
  readonly client: string;
  /** The port that the client reached: the listener's, or the PROXY header's destination. */
  readonly port: number;
  /** What the client speaks. */
  readonly clientVersion: "h2" | "http/1.1";
  /** What the backend speaks. */
  readonly backendVersion: "h2" | "http/1.1";
  /** `:scheme` towards the backend, which follows the transport. */
  readonly backendScheme: "http" | "https";
}

/**
 * Appends the forwarding fields. Clients reach L7 routes over TLS only, so the protocol is always `https`.
 *
 * @param fields of the head in the making; holds none of them yet @param authority as the client sent it
 */
export function addForwarding(fields: string[], facts: ForwardingFacts, authority: string): void {
  const { client, port } = facts;
  fields.push("x-forwarded-for", client, "x-real-ip", client, "x-forwarded-proto", "https");
  fields.push("x-forwarded-host", authority, "x-forwarded-port", String(port));
}
