/**
 * TLS alerts that the proxy writes itself, before anybody has made a key: a refused name, a dead backend.
 *
 * @module
 */

/** The AlertDescriptions of TLS 1.2 and 1.3 (RFC 8446 §6, no_application_protocol RFC 7301 §3.2). */
export const TLS_ALERT_DESCRIPTIONS = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120,
} as const satisfies Record<string, number>;

/** The RFC's name of an AlertDescription. */
export type TlsAlertDescription = keyof typeof TLS_ALERT_DESCRIPTIONS;

const ALERT = 21;
const FATAL = 2;

/**
 * A plaintext record with one fatal alert, ready to write. The record's version is 0x0303 because RFC 8446 §5.1
 * wants that `legacy_record_version` of every record but a first ClientHello, and because no version has been
 * negotiated yet: clients of TLS 1.0 and 1.1 take any 3.x in an alert that answers their hello.
 *
 * @param description the AlertDescription, by number or name; only its low byte is used
 * @returns 7 bytes that belong to the caller
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual([...tlsAlert("unrecognized_name")], [21, 3, 3, 0, 2, 2, 112]);
 * ```
 */
export function tlsAlert(description: number | TlsAlertDescription): Uint8Array {
  const code = typeof description === "number" ? description : TLS_ALERT_DESCRIPTIONS[description];
  return Uint8Array.of(ALERT, 3, 3, 0, 2, FATAL, code);
}
