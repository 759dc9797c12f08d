/**
 * TLS of the admin API: handshakes, and who a client is by its certificate.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type DetailedPeerCertificate, type Server, type TLSSocket } from "node:tls";
import { ProxyError } from "../errors.ts";
import { parseAuthorities, parseCertificatePair } from "../net/certificates.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { HANDSHAKE_MS } from "./call_limits.ts";
import type { Caller } from "./caller.ts";
import { judgeCertificate } from "./peer_certificate.ts";

/** Certificates of a chain that are looked at. */
const CHAIN_MAX = 6;

interface Material {
  readonly chain: string;
  readonly key: string;
  /** Empty = no client certificates. */
  readonly authorities: readonly string[];
}

/** The admin API's end of TLS. */
export class AdminTls {
  readonly #settings: GrpcSettings;
  readonly #handshakes = new WeakMap<object, (secure: TLSSocket) => void>();
  #material: Material;
  #authorities: readonly X509Certificate[] = [];
  #server: Server;

  private constructor(settings: GrpcSettings, material: Material) {
    this.#settings = settings;
    this.#material = material;
    this.#server = this.#serve(material);
  }

  /** Reads the files. @throws ProxyError unavailable when one is of no use */
  static async load(settings: GrpcSettings): Promise<AdminTls> {
    return new AdminTls(settings, await read(settings));
  }

  /** Reads them again; connections from now on are judged by what they hold. @throws as `load`; nothing changes then */
  async reload(): Promise<void> {
    const material = await read(this.#settings);
    this.#server = this.#serve(material);
    this.#material = material;
  }

  #serve(material: Material): Server {
    const { chain, key, authorities } = material;
    this.#authorities = authorities.map((pem) => new X509Certificate(pem));
    const server = createServer({
      cert: chain,
      key,
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.2",
      handshakeTimeout: HANDSHAKE_MS,
      ...(authorities.length > 0 && { requestCert: true, rejectUnauthorized: true, ca: [...authorities] }),
    });
    server.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
    server.on("secureConnection", (secure: TLSSocket) => {
      const parent: unknown = Reflect.get(secure, "_parent");
      const settle = typeof parent === "object" && parent !== null ? this.#handshakes.get(parent) : undefined;
      if (settle === undefined) secure.destroy();
      else settle(secure);
    });
    return server;
  }

  /**
   * Makes the handshake on an accepted socket and says who its client is. A client that may not come is cut off before
   * its first call.
   */
  accept(
    socket: Socket,
    serve: (secure: Socket, caller: Caller) => void,
    onRefused: (detail: string) => void,
  ): void {
    this.#handshakes.set(socket, (secure) => {
      secure.on("error", () => secure.destroy());
      const caller = this.#callerOf(secure);
      if (typeof caller === "object") return serve(secure, caller);
      onRefused(caller);
      secure.destroy();
      socket.destroy();
    });
    this.#server.emit("connection", socket);
  }

  /** Who it is, or why it may not come. */
  #callerOf(secure: TLSSocket): Caller | string {
    if (secure.alpnProtocol !== "h2") return "a client doesn't speak HTTP/2";
    if (this.#material.authorities.length === 0) return { author: "local", mayChange: true };
    const verdict = judgeCertificate(shownBy(secure), { authorities: this.#authorities, nowMs: Date.now() });
    if (verdict.kind === "refused") return verdict.detail;
    const { allowedClients, readOnlyClients } = this.#settings;
    const { subject, names } = verdict;
    const mayChange = names.some((name) => allowedClients.includes(name));
    if (mayChange || names.some((name) => readOnlyClients.includes(name))) {
      return { author: subject, mayChange };
    }
    return `${subject}: none of its names is in allowed_clients or read_only_clients`;
  }
}

/** The certificates that the client showed, DER, the leaf first. */
function shownBy(secure: TLSSocket): Uint8Array[] {
  const shown: Uint8Array[] = [];
  let certificate: DetailedPeerCertificate | undefined = secure.getPeerCertificate(true);
  while (certificate?.raw !== undefined && shown.length < CHAIN_MAX) {
    shown.push(certificate.raw);
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    if (issuer === certificate) break;
    certificate = issuer;
  }
  return shown;
}

async function read({ tlsCert, tlsKey, clientCa }: GrpcSettings): Promise<Material> {
  const [chainText, keyText] = [await readText(tlsCert, "tls_cert"), await readText(tlsKey, "tls_key")];
  const { chain, key } = about("tls_cert", () => parseCertificatePair(chainText, keyText));
  if (clientCa === "") return { chain, key, authorities: [] };
  const authorityText = await readText(clientCa, "client_ca");
  return { chain, key, authorities: about("client_ca", () => parseAuthorities(authorityText)) };
}

async function readText(path: string, key: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ProxyError("unavailable", `cannot read [grpc] ${key} "${path}": ${detail}`, { cause: error });
  }
}

function about<Result>(key: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ProxyError("unavailable", `[grpc] ${key}: ${detail}`, { cause: error });
  }
}
