/**
 * Terminates one client's TLS and serves HTTP on it to its end.
 *
 * @module
 */

import { Deadline } from "../net/deadlines.ts";
import { descriptorOf, isSocketDead } from "../net/native.ts";
import { type Accepting, acceptTls } from "../net/tls_acceptor.ts";
import { TlsTransport } from "../net/tls_transport.ts";
import type { Reason } from "../reasons.ts";
import { newestVersion, TLS_1_2 } from "../wire/client_hello.ts";
import { ClientSession } from "./client_session.ts";
import type { ConnectionContext, Termination } from "./http_plane.ts";
import type { HttpService } from "./http_service.ts";
import { offersHttp } from "./offer_rules.ts";

/** AlertDescriptions (RFC 8446 §6.2) of a hello that offers no cipher suite of ours, and of one that is too old. */
const HANDSHAKE_FAILURE = 40;
const PROTOCOL_VERSION = 70;

/** A client to whom nothing was sent. */
export interface TlsRefusal {
  /** Why. */
  readonly reason: Reason;
  /** The alert that the caller is to send; absent = the reason's own, if it has one. */
  readonly alert?: number;
}

/**
 * Serves a connection whose route is one of layer 7.
 *
 * @param peeked what was read of it, the ClientHello first
 * @returns why it ended, when nothing is left to be done; or how it is to be refused
 */
export async function terminate(
  service: HttpService,
  context: ConnectionContext,
  peeked: Uint8Array,
): Promise<Reason | TlsRefusal> {
  // Ended in the turn in which its hello was read: its descriptor may be another's by now.
  if (context.endedBy !== undefined) return context.endedBy;
  const { plane } = service;
  const hello = context.hello!;
  // The TLS library refuses an older one with an alert that says something else.
  if (newestVersion(hello) < TLS_1_2) return { reason: "tls_failed", alert: PROTOCOL_VERSION };
  if (!offersHttp(hello.alpnProtocols)) return { reason: "no_alpn" };
  const secureContext = plane.secureContext(context.route!.id);
  if (secureContext === undefined) return { reason: "certificate_unusable" };
  const accepting = acceptTls(secureContext, context.socket, peeked);
  if (accepting === undefined) return { reason: "over_limit" };
  const reason = await new TerminatedConnection(service, context, accepting).serve();
  await accepting.released;
  return context.endedBy ?? reason;
}

class TerminatedConnection implements Termination {
  readonly #service: HttpService;
  readonly #context: ConnectionContext;
  readonly #accepting: Accepting;
  #session: ClientSession | undefined;
  /** Set when it was to drain before it had begun. */
  #drainReason: Reason | undefined;

  constructor(service: HttpService, context: ConnectionContext, accepting: Accepting) {
    this.#service = service;
    this.#context = context;
    this.#accepting = accepting;
    context.termination = this;
  }

  abort(): void {
    this.#accepting.destroy();
  }

  drain(reason: Reason): void {
    this.#drainReason = reason;
    this.#session?.drain(reason);
  }

  async serve(): Promise<Reason | TlsRefusal> {
    const { deadlines, plane } = this.#service;
    const context = this.#context;
    let reason: Reason = "tls_failed";
    const deadline = new Deadline(() => {
      reason = "tls_timeout";
      this.abort();
    });
    const startedMs = performance.now();
    deadlines.set(deadline, plane.state.limits.tlsHandshakeTimeoutMs);
    const outcome = await this.#accepting.outcome;
    deadlines.clear(deadline);
    if (outcome.kind === "failed") {
      // The TLS library writes no alert for a hello that it can't answer.
      return outcome.isIncompatible ? { reason, alert: HANDSHAKE_FAILURE } : reason;
    }
    const { socket } = outcome;
    context.tlsMs = performance.now() - startedMs;
    const ended = Promise.withResolvers<Reason>();
    const version = socket.alpnProtocol === "h2" ? "h2" : "http/1.1";
    const tls = socket.getProtocol() ?? "";
    this.#session = new ClientSession(this.#service, context, { version, tls }, ended.resolve);
    const reset = () => context.end("backend_reset");
    const isDead = () => isSocketDead(descriptorOf(context.socket));
    this.#session.serve(new TlsTransport(socket, this.#session, { deadlines, reset, isDead }));
    if (this.#drainReason !== undefined) this.#session.drain(this.#drainReason);
    return await ended.promise;
  }
}
