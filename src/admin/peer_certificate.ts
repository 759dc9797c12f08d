/**
 * Our own judgement of a client's certificate, on every connection. The runtime's TLS verifies at full handshakes alone:
 * a session that is resumed brings in whoever has its ticket, whatever the CA is by now.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { dateProblem, validityOf } from "../net/certificates.ts";
import { certificateNames, subjectLine } from "./certificate_names.ts";
import { mayAuthenticateClient } from "./extended_key_usage.ts";

/** Certificates from the leaf to the CA at most; more that a client shows are not looked at. */
export const DEPTH_MAX = 6;

/** What a certificate is judged by. */
export interface CertificateJudge {
  /** Those that are trusted now. */
  readonly authorities: readonly X509Certificate[];
  /** Unix ms. */
  readonly nowMs: number;
}

/** What came of it: the names of the certificate, or why it is none. */
export type CertificateVerdict =
  | {
    readonly kind: "trusted";
    /** On one line, to be written down. */
    readonly subject: string;
    /** By which a client may be allowed. */
    readonly names: readonly string[];
    /** Until when all certificates from the leaf to the CA are valid, Unix ms. */
    readonly validUntilMs: number;
  }
  | { readonly kind: "refused"; readonly detail: string };

/**
 * Judges what a client showed: chain, dates, usage.
 *
 * @param shown DER, the leaf first; empty = nothing was shown
 */
export function judgeCertificate(shown: readonly Uint8Array[], judge: CertificateJudge): CertificateVerdict {
  try {
    const [leaf, ...others] = shown.slice(0, DEPTH_MAX).map((der) => new X509Certificate(der));
    if (leaf === undefined) return refused("the client showed no certificate");
    const subject = subjectLine(leaf.raw);
    const fault = faultOf(leaf);
    if (fault !== undefined) return refused(`${subject}: ${fault}`);
    const names = certificateNames(leaf.raw);
    if (names === undefined) return refused(`${subject}: its names can't be read`);
    const path = pathOf(leaf, others, judge.authorities);
    if (path === undefined) return refused(`${subject}: it is not signed by client_ca`);
    for (const [index, certificate] of path.entries()) {
      const problem = dateProblem(validityOf(certificate), judge.nowMs);
      if (problem !== undefined) {
        return refused(`${subject}: ${index === 0 ? "it" : "a CA's certificate"} ${problem}`);
      }
    }
    const validUntilMs = Math.min(...path.map((certificate) => validityOf(certificate).notAfterMs));
    return { kind: "trusted", subject, names, validUntilMs };
  } catch (error) {
    return refused(`the client's certificate can't be read: ${String(error)}`);
  }
}

function refused(detail: string): CertificateVerdict {
  return { kind: "refused", detail };
}

function faultOf(leaf: X509Certificate): string | undefined {
  if (leaf.ca) return "a CA's certificate is no client's";
  return mayAuthenticateClient(leaf.raw) ? undefined : "it is not for client authentication";
}

/** From the leaf to one of the authorities. */
function pathOf(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): X509Certificate[] | undefined {
  const path = [leaf];
  for (let current = leaf; path.length <= DEPTH_MAX;) {
    const authority = authorities.find((candidate) => isIssuer(candidate, current));
    if (authority !== undefined) return [...path, authority];
    const issuer = others.find((candidate) => isIssuer(candidate, current));
    if (issuer === undefined) return undefined;
    path.push(issuer);
    current = issuer;
  }
  return undefined;
}

/** Who is no CA may sign nobody, also when he stands in client_ca himself (RFC 5280 §4.2.1.9). */
function isIssuer(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
