/**
 * The certificates of one state as a worker uses them: contexts for handshakes with clients, authorities for those
 * with backends.
 *
 * @module
 */

import type { SecureContext } from "node:tls";
import { ProxyError } from "../errors.ts";
import { type BackendAuthorities, certificateBlocks, secureContextOf } from "../net/certificates.ts";
import type { PemPiece, RoutePems } from "./messages.ts";

/** What changes from one state's certificates to the next one's. */
export interface CertificateChanges {
  /** Pieces of texts that the state before didn't use, in their order. */
  readonly pemPieces: readonly PemPiece[];
  /** Routes whose texts are others than before. */
  readonly routePems: readonly RoutePems[];
  /** Whether the next state has that L7 route. */
  readonly isServed: (routeId: number) => boolean;
}

/** Certificates of all L7 routes. Immutable; the next one shares what stays the same. */
export class RouteCertificates {
  /** No route has any. */
  static readonly NONE: RouteCertificates = new RouteCertificates();

  readonly #routes = new Map<number, RoutePems>();
  /** By digest: the texts that `#routes` name, and no others. */
  readonly #texts = new Map<string, string>();
  /** By the digests of chain and key. */
  readonly #contexts = new Map<string, SecureContext>();
  readonly #authorities = new Map<string, BackendAuthorities>();

  private constructor() {}

  /**
   * The context of a route's certificate: one object per certificate, the same one until the certificate changes.
   *
   * @returns `undefined` when the route has no usable certificate, or isn't there
   */
  secureContext(routeId: number): SecureContext | undefined {
    const pems = this.#routes.get(routeId);
    return pems && this.#contexts.get(contextKey(pems));
  }

  /** What a route's backend is verified by; `undefined` when nothing usable is there. */
  backendAuthorities(routeId: number): BackendAuthorities | undefined {
    const digest = this.#routes.get(routeId)?.authorities;
    return digest === undefined ? undefined : this.#authorities.get(digest);
  }

  /**
   * The certificates of the next state; those of this one stay as they are.
   *
   * @throws ProxyError internal when a text was never told
   */
  next({ pemPieces, routePems, isServed }: CertificateChanges): RouteCertificates {
    if (routePems.length === 0 && this.#routes.size === 0) return this;
    const told = new Map(this.#texts);
    for (const [digest, text] of joinPieces(pemPieces)) told.set(digest, text);
    const next = new RouteCertificates();
    for (const [routeId, pems] of this.#routes) {
      if (isServed(routeId)) next.#routes.set(routeId, pems);
    }
    for (const pems of routePems) next.#routes.set(pems.routeId, pems);
    for (const pems of next.#routes.values()) {
      next.#keepTexts(pems, told);
      next.#addContext(pems, this);
      next.#addAuthorities(pems, this);
    }
    return next;
  }

  #keepTexts({ chain, key, authorities }: RoutePems, told: ReadonlyMap<string, string>): void {
    for (const digest of [chain, key, authorities]) {
      if (digest === undefined || this.#texts.has(digest)) continue;
      const text = told.get(digest);
      if (text === undefined) throw new ProxyError("internal", "a PEM text was not told");
      this.#texts.set(digest, text);
    }
  }

  #addContext(pems: RoutePems, previous: RouteCertificates): void {
    const { chain, key } = pems;
    const id = contextKey(pems);
    if (chain === undefined || key === undefined || this.#contexts.has(id)) return;
    const context = previous.#contexts.get(id) ??
      secureContextOf(this.#texts.get(chain)!, this.#texts.get(key)!);
    this.#contexts.set(id, context);
  }

  #addAuthorities({ authorities: digest }: RoutePems, previous: RouteCertificates): void {
    if (digest === undefined || this.#authorities.has(digest)) return;
    const authorities = previous.#authorities.get(digest) ??
      { key: digest, certificates: certificateBlocks(this.#texts.get(digest)!) };
    this.#authorities.set(digest, authorities);
  }
}

function contextKey({ chain, key }: RoutePems): string {
  return `${chain} ${key}`;
}

function joinPieces(pieces: readonly PemPiece[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [digest, piece] of pieces) texts.set(digest, (texts.get(digest) ?? "") + piece);
  return texts;
}
