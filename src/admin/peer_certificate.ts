/**
 * Our own judgement of a client's certificate, on every connection. The runtime's TLS verifies at full handshakes alone:
 * a session that is resumed brings in whoever has its ticket, whatever the CA is by now.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { mayAuthenticateClient } from "./extended_key_usage.ts";

/** Certificates from the leaf to the CA at most. */
const DEPTH_MAX = 6;
/** What a certificate is judged by. */
export interface CertificateJudge {
  /** Those that are trusted now. */
  readonly authorities: readonly X509Certificate[];
  /** Unix ms. */
  readonly nowMs: number;
}

/** What came of it: the names of the certificate, or why it is none. */
export type CertificateVerdict =
  | { readonly kind: "trusted"; readonly subject: string; readonly names: readonly string[] }
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
    const fault = faultOf(leaf, others, judge);
    if (fault !== undefined) return refused(`${subjectOf(leaf)}: ${fault}`);
    return { kind: "trusted", subject: subjectOf(leaf), names: namesOf(leaf) };
  } catch (error) {
    return refused(`the client's certificate can't be read: ${String(error)}`);
  }
}

function refused(detail: string): CertificateVerdict {
  return { kind: "refused", detail };
}

function faultOf(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  { authorities, nowMs }: CertificateJudge,
): string | undefined {
  if (leaf.ca) return "a CA's certificate is no client's";
  if (!mayAuthenticateClient(leaf.raw)) return "it is not for client authentication";
  let current = leaf;
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (current.validFromDate.getTime() > nowMs) return "it is not yet valid";
    if (current.validToDate.getTime() < nowMs) return "it has expired";
    const authority = authorities.find((candidate) => isIssuer(candidate, current));
    if (authority !== undefined) return dateFault(authority, nowMs);
    const issuer = others.find((candidate) => candidate.ca && isIssuer(candidate, current));
    if (issuer === undefined) break;
    current = issuer;
  }
  return "it is not signed by client_ca";
}

function dateFault(authority: X509Certificate, nowMs: number): string | undefined {
  const isValid = authority.validFromDate.getTime() <= nowMs && nowMs <= authority.validToDate.getTime();
  return isValid ? undefined : "the certificate of client_ca is not valid";
}

function isIssuer(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** The subject on one line, as RFC 4514 writes it but for the order, which is the certificate's. */
function subjectOf({ subject }: X509Certificate): string {
  return subject === undefined || subject === "" ? "(no subject)" : subject.split("\n").join(",");
}

/** Alternative names and common names, by which a client may be allowed. */
function namesOf({ subject, subjectAltName }: X509Certificate): string[] {
  const alternatives = (subjectAltName ?? "").split(", ").flatMap((entry) => {
    const match = /^(DNS|URI|email|IP Address):(.+)$/.exec(entry);
    return match === null ? [] : [match[2]!];
  });
  const common = (subject ?? "").split("\n").filter((line) => line.startsWith("CN=")).map((line) =>
    line.slice(3)
  );
  return [...alternatives, ...common];
}
