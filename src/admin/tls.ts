/**
 * TLS of the admin API: handshakes, and who a client is by its certificate.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, type DetailedPeerCertificate, type SecureContext, TLSSocket } from "node:tls";
import { messageOf, ProxyError } from "../errors.ts";
import { parseAuthorities, parseCertificatePair, type Validity } from "../net/certificates.ts";
import { shakeInStretches } from "../net/tls_handle.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { ANYONE, type Caller } from "./caller.ts";
import { DEPTH_MAX, judgeCertificate } from "./peer_certificate.ts";

/** What the files hold. */
interface Material {
  readonly secureContext: SecureContext;
  /** When the server's own certificate is valid. */
  readonly validity: Validity;
  /** Empty = no client certificates. */
  readonly authorities: readonly X509Certificate[];
}

/** What came of a handshake. */
export interface HandshakeHandler {
  /** It is done; `close` of the accepted socket follows when the secure one is destroyed. */
  readonly onSecure: (secure: TLSSocket) => void;
  /** It failed, and the socket is gone. */
  readonly onFailed: (detail: string) => void;
}

/** The admin API's end of TLS. */
export class AdminTls {
  readonly #settings: GrpcSettings;
  #material: Material;

  private constructor(settings: GrpcSettings, material: Material) {
    this.#settings = settings;
    this.#material = material;
  }

  /** Reads the files. @throws ProxyError unavailable when one is of no use */
  static async load(settings: GrpcSettings): Promise<AdminTls> {
    return new AdminTls(settings, await read(settings));
  }

  /** Reads them again; handshakes and judgements from now on go by what they hold. @throws as `load`; nothing changes then */
  async reload(): Promise<void> {
    this.#material = await read(this.#settings);
  }

  /** When the server's own certificate is valid. */
  get validity(): Validity {
    return this.#material.validity;
  }

  /**
   * Begins a handshake on an accepted socket. Nothing bounds its time: destroying the socket ends it.
   *
   * The secure socket is made by itself and not by a `tls.Server`, whose handshake timer outlives a handshake that failed
   * and holds all of it (19 KiB) until its time has come: ten seconds of garbage held 200 MB.
   */
  accept(socket: Socket, { onSecure, onFailed }: HandshakeHandler): void {
    const { secureContext, authorities } = this.#material;
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ["h2"],
      ...(authorities.length > 0 && { requestCert: true, rejectUnauthorized: true }),
    });
    shakeInStretches(secure);
    let isSecure = false;
    let detail = "the client went away during the handshake";
    const end = (error?: Error): void => {
      if (error !== undefined) detail = error.message;
      secure.destroy();
      socket.destroy();
    };
    secure.on("error", end);
    secure.on("_tlsError", end);
    secure.on("close", () => socket.destroy());
    // The server's sockets stay half open: a client that leaves here would keep its place until the deadline.
    secure.on("end", () => isSecure || end());
    // Not amid the read that has ended the handshake: what comes with it is told first.
    secure.on("secure", () =>
      queueMicrotask(() => {
        if (secure.destroyed || socket.destroyed) return;
        isSecure = true;
        onSecure(secure);
      }));
    socket.on("close", () => {
      secure.destroy();
      if (!isSecure) onFailed(detail);
    });
  }

  /**
   * Who a client is by what it has shown, or why it may not come. The runtime verifies at full handshakes alone, so this
   * is asked on every connection, resumed or not, and again whenever the answer may have changed.
   */
  callerOf(client: ShownClient, nowMs: number): Caller | string {
    if (!client.speaksHttp2) return "it doesn't speak HTTP/2";
    const { authorities } = this.#material;
    if (authorities.length === 0) return ANYONE;
    const verdict = judgeCertificate(client.certificates, { authorities, nowMs });
    if (verdict.kind === "refused") return verdict.detail;
    if (client.fault !== undefined) return client.fault;
    const { allowedClients, readOnlyClients } = this.#settings;
    const { subject, names, validUntilMs } = verdict;
    const mayChange = names.some((name) => allowedClients.includes(name));
    if (mayChange || names.some((name) => readOnlyClients.includes(name))) {
      return { author: subject, mayChange, validUntilMs };
    }
    return `${subject}: none of its names is in allowed_clients or read_only_clients`;
  }
}

/** What a client has shown in its handshake. */
export interface ShownClient {
  /** Whether ALPN has chosen h2. */
  readonly speaksHttp2: boolean;
  /** DER, the leaf first; empty = none. */
  readonly certificates: readonly Uint8Array[];
  /** What the runtime's TLS has against the certificates; absent = nothing, or it didn't look because of a ticket. */
  readonly fault: string | undefined;
}

/** Takes what the client has shown from a socket whose handshake is done. */
export function shownBy(secure: TLSSocket): ShownClient {
  const certificates: Uint8Array[] = [];
  let certificate: DetailedPeerCertificate | undefined = secure.getPeerCertificate(true);
  while (certificate?.raw !== undefined && certificates.length < DEPTH_MAX) {
    certificates.push(certificate.raw);
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    if (issuer === certificate) break;
    certificate = issuer;
  }
  return { speaksHttp2: secure.alpnProtocol === "h2", certificates, fault: faultOf(secure) };
}

/** The verdict that `tls.Server` asks its sockets for; it knows of name constraints, too. */
function faultOf(secure: TLSSocket): string | undefined {
  const handle: unknown = Reflect.get(secure, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const verify: unknown = Reflect.get(handle, "verifyError");
  const fault: unknown = typeof verify === "function" ? Reflect.apply(verify, handle, []) : "";
  return fault !== "" && fault !== undefined && fault !== null ? `TLS doesn't trust it: ${fault}` : undefined;
}

async function read({ tlsCert, tlsKey, clientCa }: GrpcSettings): Promise<Material> {
  const [chainText, keyText] = [await readText(tlsCert, "tls_cert"), await readText(tlsKey, "tls_key")];
  const { chain, key, validity } = about("tls_cert", () => parseCertificatePair(chainText, keyText));
  const authorityText = clientCa === "" ? undefined : await readText(clientCa, "client_ca");
  const ca = authorityText === undefined ? [] : about("client_ca", () => parseAuthorities(authorityText));
  const secureContext = createSecureContext({ cert: chain, key, ca, minVersion: "TLSv1.2" });
  return { secureContext, validity, authorities: ca.map((pem) => new X509Certificate(pem)) };
}

async function readText(path: string, key: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const detail = messageOf(error);
    throw new ProxyError("unavailable", `cannot read [grpc] ${key} "${path}": ${detail}`, { cause: error });
  }
}

function about<Result>(key: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const detail = messageOf(error);
    throw new ProxyError("unavailable", `[grpc] ${key}: ${detail}`, { cause: error });
  }
}
