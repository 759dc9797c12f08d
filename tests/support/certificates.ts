/**
 * Certificate authorities and leaf certificates for tests and the demo, minted in process: ECDSA P-256, PEM out.
 *
 * @module
 */

import "./reflect_metadata.ts";
import * as x509 from "@peculiar/x509";

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const RSA_ALGORITHM = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: Uint8Array.of(1, 0, 1),
} as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A certificate and its private key, both PEM; `certificate` holds the leaf alone. */
export interface KeyPair {
  readonly certificate: string;
  /** PKCS#8. */
  readonly key: string;
}

/** What a leaf is good for: `server` and `client` set the extended key usage, `both` sets both. */
export type LeafUsage = "server" | "client" | "both";

/** An RFC 4514 name, or its types and values. */
export type LeafSubject = string | x509.JsonName;

/** How a leaf is minted. */
export interface LeafOptions {
  /** Subject alternative names: DNS names, wildcards, IP literals, URIs and mail addresses. May be empty. */
  readonly names: readonly string[];
  /** RFC 4514 subject, or its types and values. Default `CN=` and the first name, or `CN=leaf`. */
  readonly subject?: LeafSubject;
  /** Default `server`. */
  readonly usage?: LeafUsage;
  /** Start of validity. Default an hour ago. */
  readonly notBefore?: Date;
  /** End of validity; in the past for an expired one. Default in 30 days. */
  readonly notAfter?: Date;
  /** Without the extension that says what the key may be used for: for anything, then. Default: with it. */
  readonly isUnrestricted?: boolean;
}

/** A certificate authority that lives as long as the test. */
export class CertificateAuthority {
  readonly #issuer: x509.X509Certificate;
  readonly #keys: CryptoKeyPair;

  private constructor(issuer: x509.X509Certificate, keys: CryptoKeyPair) {
    this.#issuer = issuer;
    this.#keys = keys;
  }

  /** A new self-signed authority, valid from an hour ago for `days` days. */
  static async create(subject = "CN=mc-proxy test CA", days = 30): Promise<CertificateAuthority> {
    const keys = await generateKeys();
    const issuer = await x509.X509CertificateGenerator.createSelfSigned({
      name: subject,
      keys,
      signingAlgorithm: KEY_ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: new Date(Date.now() - HOUR_MS),
      notAfter: new Date(Date.now() + days * DAY_MS),
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new CertificateAuthority(issuer, keys);
  }

  /** The authority read back from what {@linkcode pair} wrote. */
  static async load({ certificate, key }: KeyPair): Promise<CertificateAuthority> {
    const issuer = new x509.X509Certificate(certificate);
    const privateKey = await crypto.subtle.importKey(
      "pkcs8",
      x509.PemConverter.decodeFirst(key),
      KEY_ALGORITHM,
      true,
      ["sign"],
    );
    return new CertificateAuthority(issuer, { privateKey, publicKey: await issuer.publicKey.export() });
  }

  /** The authority's certificate, PEM: what a client trusts. */
  get certificate(): string {
    return pem(this.#issuer);
  }

  /** End of the authority's own validity. */
  get notAfter(): Date {
    return this.#issuer.notAfter;
  }

  /** An authority whose certificate this one has signed. */
  async subordinate(subject: string): Promise<CertificateAuthority> {
    const keys = await generateKeys();
    const issuer = await x509.X509CertificateGenerator.create({
      subject,
      issuer: this.#issuer.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: KEY_ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: this.#issuer.notBefore,
      notAfter: this.#issuer.notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
      ],
    });
    return new CertificateAuthority(issuer, keys);
  }

  /** The authority's own certificate and key, PEM. */
  async pair(): Promise<KeyPair> {
    return { certificate: this.certificate, key: await pemOfKey(this.#keys.privateKey) };
  }

  /** A leaf signed by this authority. */
  async issue(options: LeafOptions): Promise<KeyPair> {
    const keys = await generateKeys();
    const leaf = await x509.X509CertificateGenerator.create({
      subject: options.subject ?? `CN=${options.names[0] ?? "leaf"}`,
      issuer: this.#issuer.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: KEY_ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: options.notBefore ?? new Date(Date.now() - HOUR_MS),
      notAfter: options.notAfter ?? new Date(Date.now() + 30 * DAY_MS),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        ...options.isUnrestricted === true
          ? []
          : [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true)],
        new x509.ExtendedKeyUsageExtension(extendedKeyUsages(options.usage ?? "server")),
        ...subjectAlternativeNames(options.names),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
      ],
    });
    return { certificate: pem(leaf), key: await pemOfKey(keys.privateKey) };
  }
}

/** Algorithms that {@linkcode CertificateAuthority} doesn't use; the last is too weak for TLS here. */
export type SelfSignedAlgorithm = "Ed25519" | "RSA-2048" | "RSA-1024";

/** A self-signed server certificate. */
export async function selfSigned(algorithm: SelfSignedAlgorithm, names: readonly string[]): Promise<KeyPair> {
  const parameters = algorithm === "Ed25519"
    ? { name: algorithm }
    : { ...RSA_ALGORITHM, modulusLength: Number(algorithm.slice(4)) };
  const keys = await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${names[0] ?? "self-signed"}`,
    keys,
    signingAlgorithm: parameters,
    serialNumber: serialNumber(),
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + 30 * DAY_MS),
    extensions: subjectAlternativeNames(names),
  });
  return { certificate: pem(certificate), key: await pemOfKey(keys.privateKey) };
}

/** End of validity of the first certificate in `certificate` (PEM). Throws when there is none. */
export function notAfter(certificate: string): Date {
  return new x509.X509Certificate(certificate).notAfter;
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
}

/** Positive and unique: browsers refuse two certificates of one issuer with the same serial number. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = bytes[0]! & 0x3f | 0x40;
  return bytes.toHex();
}

function extendedKeyUsages(usage: LeafUsage): x509.ExtendedKeyUsage[] {
  const server = x509.ExtendedKeyUsage.serverAuth;
  const client = x509.ExtendedKeyUsage.clientAuth;
  return usage === "both" ? [server, client] : [usage === "server" ? server : client];
}

function subjectAlternativeNames(names: readonly string[]): x509.Extension[] {
  if (names.length === 0) return [];
  return [
    new x509.SubjectAlternativeNameExtension(
      names.map((value): x509.JsonGeneralName => ({ type: kindOf(value), value })),
    ),
  ];
}

function kindOf(name: string): "url" | "email" | "ip" | "dns" {
  if (name.includes("://")) return "url";
  if (name.includes("@")) return "email";
  return name.includes(":") || /^[0-9.]+$/.test(name) ? "ip" : "dns";
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

async function pemOfKey(key: CryptoKey): Promise<string> {
  const bytes = await crypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(bytes, x509.PemConverter.PrivateKeyTag)}\n`;
}
