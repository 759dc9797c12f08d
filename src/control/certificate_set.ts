/**
 * Certificates as the main process knows them: what the files of L7 routes held when they were read last.
 *
 * @module
 */

import type { Validity } from "../net/certificates.ts";
import type { RoutePems } from "../proxy/messages.ts";
import type { Preparation } from "../proxy/preparation.ts";

/** The certificate that a route shows. */
export interface ShownCertificate {
  /** DNS names, lower case. */
  readonly names: readonly string[];
  /** When it is valid. */
  readonly validity: Validity;
}

/** What one L7 route's files hold. */
export interface RouteCertificate {
  /** As workers are told. */
  readonly pems: RoutePems;
  /** What clients see of it; absent = the route has no usable certificate. */
  readonly shown?: ShownCertificate;
}

/** What the files of all enabled L7 routes hold. Immutable; keys stay in memory and are never logged or stored. */
export interface CertificateSet {
  /** PEM texts by digest: those that `routes` name, and no others. */
  readonly texts: ReadonlyMap<string, string>;
  /** By route id. */
  readonly routes: ReadonlyMap<number, RouteCertificate>;
}

/** The set without any. */
export const NO_CERTIFICATES: CertificateSet = { texts: new Map(), routes: new Map() };

/** What a worker that has one set must be told to have the next. */
export function certificateChanges(
  before: CertificateSet,
  next: CertificateSet,
): Pick<Preparation, "pems" | "routePems"> {
  const pems = new Map([...next.texts].filter(([digest]) => !before.texts.has(digest)));
  const changed = [...next.routes].filter(([id, certificate]) => before.routes.get(id) !== certificate);
  return { pems, routePems: changed.map(([, certificate]) => certificate.pems) };
}
