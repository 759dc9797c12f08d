/**
 * Terminates one client's TLS and serves HTTP on it to its end.
 *
 * @module
 */

import { Deadline } from "../net/deadlines.ts";
import { type Accepting, acceptTls } from "../net/tls_acceptor.ts";
import { TlsTransport } from "../net/tls_transport.ts";
import type { Reason } from "../reasons.ts";
import { tlsAlert } from "../wire/tls_alert.ts";
import { ClientSession } from "./client_session.ts";
import type { ConnectionContext, Termination } from "./http_plane.ts";
import type { HttpService } from "./http_service.ts";
import { offersHttp } from "./offer_rules.ts";

/** AlertDescription of a hello that offers nothing which can be used (RFC 8446 §6.2). */
const HANDSHAKE_FAILURE = 40;

/**
 * Serves a connection whose route is one of layer 7.
 *
 * @param peeked what was read of it, the ClientHello first
 * @returns why it ended; for `no_alpn` and `certificate_unusable` nothing was sent, and the caller sends the alert
 */
export async function terminate(
  service: HttpService,
  context: ConnectionContext,
  peeked: Uint8Array,
): Promise<Reason> {
  const { plane } = service;
  if (!offersHttp(context.hello?.alpnProtocols ?? [])) return "no_alpn";
  const secureContext = plane.secureContext(context.route!.id);
  if (secureContext === undefined) return "certificate_unusable";
  const accepting = acceptTls(secureContext, context.socket, peeked);
  if (accepting === undefined) return "over_limit";
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

  /** The TLS library writes no alert for a hello that it can't answer. */
  async #sayIncompatible(): Promise<void> {
    try {
      await this.#context.socket.write(tlsAlert(HANDSHAKE_FAILURE));
    } catch {
      // The client has gone.
    }
  }

  async serve(): Promise<Reason> {
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
      if (outcome.isIncompatible) await this.#sayIncompatible();
      return reason;
    }
    const { socket } = outcome;
    context.tlsMs = performance.now() - startedMs;
    const ended = Promise.withResolvers<Reason>();
    const version = socket.alpnProtocol === "h2" ? "h2" : "http/1.1";
    const tls = socket.getProtocol() ?? "";
    this.#session = new ClientSession(this.#service, context, { version, tls }, ended.resolve);
    const reset = () => context.end("backend_reset");
    this.#session.serve(new TlsTransport(socket, this.#session, { deadlines, reset }));
    if (this.#drainReason !== undefined) this.#session.drain(this.#drainReason);
    return await ended.promise;
  }
}
