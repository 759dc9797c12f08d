/**
 * One authority and one certificate that tests of one process share.
 *
 * @module
 */

import { createSecureContext, type SecureContext } from "node:tls";
import { CertificateAuthority } from "./certificates.ts";

/** A server's certificate for `app.test`, and who has signed it. */
export interface Certified {
  readonly authority: CertificateAuthority;
  readonly secureContext: SecureContext;
}

let certificates: Promise<Certified> | undefined;

/** The certificate, made by the first that needs it. */
export function certified(): Promise<Certified> {
  return certificates ??= certify();
}

async function certify(): Promise<Certified> {
  const authority = await CertificateAuthority.create();
  const { certificate, key } = await authority.issue({ names: ["app.test"] });
  return { authority, secureContext: createSecureContext({ cert: certificate, key }) };
}
