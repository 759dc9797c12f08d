/**
 * Connects to backends.
 *
 * @module
 */

import type { Endpoint } from "../state/model.ts";
import type { Deadlines } from "./deadlines.ts";

/** How a dial ended. */
export type DialOutcome =
  | { readonly kind: "connected"; readonly conn: Deno.TcpConn }
  | { readonly kind: "dial_failed" | "dial_timeout" };

/** What bounds a dial. */
export interface DialOptions {
  readonly deadlines: Deadlines;
  /** One address. */
  readonly connectTimeoutMs: number;
  /** Name resolution and all addresses. */
  readonly dialTimeoutMs: number;
}

const FAILED: DialOutcome = { kind: "dial_failed" };
const TIMED_OUT: DialOutcome = { kind: "dial_timeout" };

/**
 * Connects to an endpoint. A name is resolved anew each time and all of its addresses are tried (RFC 8305); an IP
 * literal is one try.
 *
 * @returns the connection, which is the caller's to close, or how it failed; never throws
 */
export async function dial(endpoint: Endpoint, options: DialOptions): Promise<DialOutcome> {
  const { deadlines, connectTimeoutMs, dialTimeoutMs } = options;
  const { host, port } = endpoint;
  const signal = deadlines.signal(
    isLiteral(host) ? Math.min(connectTimeoutMs, dialTimeoutMs) : dialTimeoutMs,
  );
  try {
    return { kind: "connected", conn: await Deno.connect({ hostname: host, port, signal }) };
  } catch {
    return signal.aborted ? TIMED_OUT : FAILED;
  }
}

function isLiteral(host: string): boolean {
  return host.includes(":") || /^[\d.]+$/.test(host);
}
