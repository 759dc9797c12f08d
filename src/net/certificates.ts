/**
 * PEM files: certificate chains with their keys, and the authorities that verify backends. Judged in full when they
 * are read, because `tls.createSecureContext` of this runtime looks at nothing before the first handshake.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { messageOf, ProxyError } from "../errors.ts";
import { DEFAULT_HOSTNAME, wildcardOf } from "../policy/hostname.ts";

const DAY_MS = 86_400_000;

/** A certificate chain and its private key that belong together. */
export interface CertificatePair {
  /** PEM blocks of the chain, the leaf first; nothing else that the file held. */
  readonly chain: string;
  /** PEM block of the leaf's private key. Never to be logged or stored. */
  readonly key: string;
  /** DNS names of the leaf, lower case. */
  readonly names: readonly string[];
  /** When the leaf is valid. */
  readonly validity: Validity;
}

/** From when to when a certificate is valid, Unix time in ms, both ends included. */
export interface Validity {
  /** The first moment. */
  readonly notBeforeMs: number;
  /** The last moment. */
  readonly notAfterMs: number;
}

/** Certificates that verify a backend. */
export interface BackendAuthorities {
  /** Equal for equal certificates, and for no others. */
  readonly key: string;
  /** PEM blocks, at least one. */
  readonly certificates: readonly string[];
}

/**
 * Reads a chain, the leaf first, and its key: PKCS#8, PKCS#1 or SEC 1, of RSA, ECDSA or Ed25519.
 *
 * @param chainText content of the chain's file @param keyText content of the key's file; may be the same file
 * @throws ProxyError unavailable when one can't be read, when they don't belong together, or when the runtime's TLS
 * can't use them; the message holds nothing of the key
 */
export function parseCertificatePair(chainText: string, keyText: string): CertificatePair {
  const certificates = certificateBlocks(chainText);
  const [leaf] = attempt(
    "a certificate of the chain can't be read",
    () => certificates.map((block) => new X509Certificate(block)),
  );
  if (leaf === undefined) throw unusable("the chain's file holds no PEM certificate");
  const key = privateKeyBlock(keyText);
  const privateKey = attempt("the private key can't be read", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey)) {
    throw unusable("the private key is not that of the first certificate in the chain's file");
  }
  const chain = certificates.join("");
  // A client with that identity is the one thing here that loads a pair as TLS does.
  attempt("TLS can't use the certificate", () => Deno.createHttpClient({ cert: chain, key }).close());
  return { chain, key, names: dnsNames(leaf), validity: validityOf(leaf) };
}

/**
 * Reads the authorities that verify a backend.
 *
 * @returns one PEM block each, at least one
 * @throws ProxyError unavailable when there is none or one can't be read
 */
export function parseAuthorities(text: string): string[] {
  const certificates = certificateBlocks(text);
  if (certificates.length === 0) throw unusable("the file holds no PEM certificate");
  attempt(
    "TLS can't use a certificate of the file",
    () => Deno.createHttpClient({ caCerts: certificates }).close(),
  );
  return certificates;
}

/**
 * Whether a certificate with these DNS names is good for a route. A wildcard stands for one label; a wildcard
 * route needs the same wildcard, the default route nothing.
 *
 * @param names lower case @param hostname a route's, canonical
 */
export function coversHostname(names: readonly string[], hostname: string): boolean {
  if (hostname === DEFAULT_HOSTNAME || names.includes(hostname)) return true;
  const wildcard = wildcardOf(hostname);
  return wildcard !== undefined && names.includes(wildcard);
}

/** What is wrong with a certificate's dates at that time, to be said of it; `undefined` = nothing. */
export function dateProblem({ notBeforeMs, notAfterMs }: Validity, nowMs: number): string | undefined {
  if (nowMs > notAfterMs) return "has expired";
  return nowMs < notBeforeMs ? "is not yet valid" : undefined;
}

/** Whole days until a certificate expires; negative from the moment on when it has. */
export function daysUntilExpiry({ notAfterMs }: Validity, nowMs: number): number {
  return Math.floor((notAfterMs - nowMs) / DAY_MS);
}

/** Whether a certificate is valid at that time. */
export function isValidAt(validity: Validity, nowMs: number): boolean {
  return dateProblem(validity, nowMs) === undefined;
}

/** The context in which handshakes show a pair; TLS 1.2 at least. Make one per certificate and keep it. */
export function secureContextOf(chain: string, key: string): SecureContext {
  return createSecureContext({ cert: chain, key, minVersion: "TLSv1.2" });
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----[^-]+-----END \1?PRIVATE KEY-----/g;

/** The PEM certificates of a text, each with a newline at its end; unread. */
export function certificateBlocks(text: string): string[] {
  return (text.match(CERTIFICATE) ?? []).map((block) => `${block}\n`);
}

function privateKeyBlock(text: string): string {
  // The encryption of PKCS#1 and SEC 1 keys stands in a header, with hyphens.
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw unusable("the private key is encrypted: it is to be stored without a passphrase");
  }
  const blocks = text.match(PRIVATE_KEY) ?? [];
  if (blocks.length !== 1) throw unusable(`the key's file holds ${blocks.length} PEM private keys, not one`);
  return `${blocks[0]}\n`;
}

/** Only alternative names count: clients have ignored the common name for years (RFC 9525 §2). */
function dnsNames(certificate: X509Certificate): string[] {
  const entries = (certificate.subjectAltName ?? "").split(", ").filter((entry) => entry.startsWith("DNS:"));
  return entries.map((entry) => entry.slice(4).toLowerCase());
}

/** When a certificate is valid. */
export function validityOf({ validFromDate, validToDate }: X509Certificate): Validity {
  return { notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
}

function attempt<Result>(problem: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const reason = messageOf(error);
    throw unusable(`${problem}: ${reason}`, error);
  }
}

function unusable(message: string, cause?: unknown): ProxyError {
  return new ProxyError("unavailable", message, { cause });
}
