/**
 * Connects to backends.
 *
 * @module
 */

import type { Endpoint } from "../state/model.ts";
import type { Deadlines } from "./deadlines.ts";
import { addressesOf } from "./lookup.ts";
import { closeQuietly } from "./reset.ts";

/** How a dial ended. */
export type DialOutcome =
  | {
    readonly kind: "connected";
    /** The caller's to close. */
    readonly conn: Deno.TcpConn;
  }
  | {
    /** `dial_timeout` when a try, or all of it, took too long; else no name, no address, or nobody there. */
    readonly kind: "dial_failed" | "dial_timeout";
  };

/** What bounds a dial. */
export interface DialOptions {
  /** The process's deadlines. */
  readonly deadlines: Deadlines;
  /** One address, in ms. */
  readonly connectTimeoutMs: number;
  /** Name resolution and all addresses, in ms. */
  readonly dialTimeoutMs: number;
}

const FAILED: DialOutcome = { kind: "dial_failed" };
const TIMED_OUT: DialOutcome = { kind: "dial_timeout" };

/** After that time without an answer the next address is tried beside it (RFC 8305 §5). */
const ATTEMPT_DELAY_MS = 250;

/**
 * Connects to an endpoint. A name is resolved anew and all of its addresses are tried, each beside those
 * before it (RFC 8305); an IP literal is one try.
 *
 * @returns the connection, or how it failed; never throws
 */
export async function dial({ host, port }: Endpoint, options: DialOptions): Promise<DialOutcome> {
  const { deadlines, connectTimeoutMs, dialTimeoutMs } = options;
  if (isLiteral(host)) {
    return await connect(host, port, deadlines.signal(Math.min(connectTimeoutMs, dialTimeoutMs)));
  }
  const end = deadlines.signal(dialTimeoutMs);
  const addresses = await resolve(host, end);
  if (addresses.length === 0) return end.aborted ? TIMED_OUT : FAILED;
  return await new Race(port, addresses, end, () => deadlines.signal(connectTimeoutMs)).run();
}

function isLiteral(host: string): boolean {
  return host.includes(":") || /^[\d.]+$/.test(host);
}

async function connect(hostname: string, port: number, signal: AbortSignal): Promise<DialOutcome> {
  try {
    const conn = await Deno.connect({ hostname, port, signal });
    if (!hasMetItself(conn)) return { kind: "connected", conn };
    closeQuietly(conn);
    return FAILED;
  } catch {
    return signal.aborted ? TIMED_OUT : FAILED;
  }
}

/**
 * Where nobody listens on a port of this host, the kernel may give a dial that very port as its own and connect it to
 * itself (RFC 9293 §3.5, simultaneous open).
 */
function hasMetItself({ localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return localAddr.port === remoteAddr.port && localAddr.hostname === remoteAddr.hostname;
}

/** The addresses of a name, by the system's resolver and in its order; none when it fails or `end` comes first. */
async function resolve(host: string, end: AbortSignal): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const onEnd = () => resolve([]);
  end.addEventListener("abort", onEnd);
  addressesOf(host).then((found) => resolve([...found]));
  try {
    return await promise;
  } finally {
    end.removeEventListener("abort", onEnd);
  }
}

/** Tries addresses beside each other; the first connection wins and the others are dropped. */
class Race {
  readonly #outcome = Promise.withResolvers<DialOutcome>();
  readonly #port: number;
  readonly #waiting: string[];
  readonly #stop = new AbortController();
  readonly #end: AbortSignal;
  readonly #attemptSignal: () => AbortSignal;
  #running = 0;
  #hasTimedOut = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param attemptSignal makes the signal that bounds one try */
  constructor(port: number, addresses: string[], end: AbortSignal, attemptSignal: () => AbortSignal) {
    this.#port = port;
    this.#waiting = addresses;
    this.#end = end;
    this.#attemptSignal = attemptSignal;
  }

  async run(): Promise<DialOutcome> {
    this.#startNext();
    const outcome = await this.#outcome.promise;
    clearTimeout(this.#timer);
    this.#stop.abort();
    return outcome;
  }

  #startNext(): void {
    clearTimeout(this.#timer);
    const address = this.#end.aborted ? undefined : this.#waiting.shift();
    if (address !== undefined) void this.#attempt(address);
    else if (this.#running === 0) {
      this.#outcome.resolve(this.#hasTimedOut || this.#end.aborted ? TIMED_OUT : FAILED);
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#startNext(), ATTEMPT_DELAY_MS);
  }

  async #attempt(address: string): Promise<void> {
    this.#running++;
    const signal = AbortSignal.any([this.#stop.signal, this.#end, this.#attemptSignal()]);
    const outcome = await connect(address, this.#port, signal);
    this.#running--;
    if (this.#stop.signal.aborted) {
      if (outcome.kind === "connected") closeQuietly(outcome.conn);
    } else if (outcome.kind === "connected") {
      this.#outcome.resolve(outcome);
      this.#stop.abort();
    } else {
      this.#hasTimedOut ||= outcome.kind === "dial_timeout";
      this.#startNext();
    }
  }
}
