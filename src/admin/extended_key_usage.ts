/**
 * The extended key usage of a certificate, read from its DER: this runtime's `X509Certificate.keyUsage` gives the plain
 * key usage in its place.
 *
 * @module
 */

/** One element of DER (X.690 §8.1). */
interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** `[3] EXPLICIT Extensions` of a TBSCertificate (RFC 5280 §4.1). */
const EXTENSIONS = 0xa3;
/** id-ce-extKeyUsage, 2.5.29.37. */
const EXTENDED_KEY_USAGE = "55 1d 25";
/** id-kp-clientAuth, 1.3.6.1.5.5.7.3.2. */
const CLIENT_AUTHENTICATION = "2b 06 01 05 05 07 03 02";
/** anyExtendedKeyUsage, 2.5.29.37.0. */
const ANY = "55 1d 25 00";

/**
 * Whether a certificate may stand for a client: it has no extended key usage (then it is good for everything, RFC 5280
 * §4.2.1.12), or one that names client authentication.
 *
 * @param der a whole certificate; one that can't be read may not
 */
export function mayAuthenticateClient(der: Uint8Array): boolean {
  const usages = extendedKeyUsages(der);
  if (usages === undefined) return false;
  return usages === "none" || usages.includes(CLIENT_AUTHENTICATION) || usages.includes(ANY);
}

/** Object identifiers as hex, `none` without the extension, `undefined` for what can't be read. */
function extendedKeyUsages(der: Uint8Array): readonly string[] | "none" | undefined {
  const certificate = elementsOf(der)?.[0];
  const toBeSigned = certificate && elementsOf(certificate.content)?.[0];
  const fields = toBeSigned && elementsOf(toBeSigned.content);
  if (fields === undefined) return undefined;
  const wrapper = fields.find(({ tag }) => tag === EXTENSIONS);
  if (wrapper === undefined) return "none";
  const list = elementsOf(wrapper.content)?.[0];
  const extensions = list && elementsOf(list.content);
  if (extensions === undefined) return undefined;
  for (const extension of extensions) {
    const parts = extension.tag === SEQUENCE ? elementsOf(extension.content) : undefined;
    const [name, value] = [parts?.[0], parts?.at(-1)];
    if (name === undefined || value === undefined) return undefined;
    if (name.tag !== OBJECT_IDENTIFIER || hex(name.content) !== EXTENDED_KEY_USAGE) continue;
    const sequence = value.tag === OCTET_STRING ? elementsOf(value.content)?.[0] : undefined;
    return sequence && elementsOf(sequence.content)?.map(({ content }) => hex(content));
  }
  return "none";
}

/** The elements that follow each other in `bytes`; `undefined` unless they fill it exactly. */
function elementsOf(bytes: Uint8Array): Element[] | undefined {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at]!;
    let length = bytes[at + 1] ?? Infinity;
    let start = at + 2;
    if (length >= 0x80 && length !== Infinity) {
      const count = length - 0x80;
      if (count === 0 || count > 4) return undefined;
      length = 0;
      for (let index = 0; index < count; index++) length = length * 256 + (bytes[start + index] ?? Infinity);
      start += count;
    }
    if (start + length > bytes.length) return undefined;
    elements.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
