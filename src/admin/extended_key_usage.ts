/**
 * The extended key usage of a certificate, read from its DER: this runtime's `X509Certificate.keyUsage` gives the plain
 * key usage in its place.
 *
 * @module
 */

import { extensionElements, hex } from "./der.ts";

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
  const purposes = extensionElements(der, EXTENDED_KEY_USAGE);
  if (purposes === undefined) return false;
  if (purposes === "none") return true;
  return purposes.some(({ content }) => [CLIENT_AUTHENTICATION, ANY].includes(hex(content)));
}
