/**
 * TLS alerts that the proxy writes itself, before anybody has made a key: a refused name, a dead backend.
 *
 * @module
 */

const ALERT = 21;
const FATAL = 2;

/**
 * A plaintext record with one fatal alert, ready to write. The record's version is 0x0303 because RFC 8446 §5.1
 * wants that `legacy_record_version` of every record but a first ClientHello, and because no version has been
 * negotiated yet: clients of TLS 1.0 and 1.1 take any 3.x in an alert that answers their hello.
 *
 * @param description the AlertDescription (RFC 8446 §6); only its low byte is used
 * @returns 7 bytes that belong to the caller
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual([...tlsAlert(112)], [21, 3, 3, 0, 2, 2, 112]);
 * ```
 */
export function tlsAlert(description: number): Uint8Array {
  return Uint8Array.of(ALERT, 3, 3, 0, 2, FATAL, description);
}
