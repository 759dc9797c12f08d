/**
 * ClientHellos of any parts, right and wrong ones (RFC 8446 §4.1.2); the pieces are those of `tests/support`.
 *
 * @module
 */

import { bytes as concat, vector } from "../support/client_hello.ts";

export {
  alpnExtension,
  bytes as concat,
  extension,
  latin1,
  record,
  records,
  serverNameExtension,
} from "../support/client_hello.ts";

/** A vector with a length of one byte. */
export function vector8(...parts: readonly Uint8Array[]): Uint8Array {
  return vector(1, ...parts);
}

/** A vector with a length of two bytes. */
export function vector16(...parts: readonly Uint8Array[]): Uint8Array {
  return vector(2, ...parts);
}

/** Parts of a hello that differ from an ordinary one. */
export interface HelloParts {
  readonly messageType?: number;
  readonly sessionId?: Uint8Array;
  readonly cipherSuites?: Uint8Array;
  readonly compressionMethods?: Uint8Array;
  /** Absent: no extension block at all. */
  readonly extensions?: readonly Uint8Array[];
  readonly trailing?: Uint8Array;
}

/** A handshake message with a ClientHello of `legacy_version` 0x0303. */
export function clientHelloMessage(parts: HelloParts): Uint8Array {
  const body = concat(
    Uint8Array.of(3, 3),
    new Uint8Array(32).fill(7),
    vector8(parts.sessionId ?? new Uint8Array(32)),
    vector16(parts.cipherSuites ?? Uint8Array.of(0x13, 1, 0xc0, 0x2f)),
    vector8(parts.compressionMethods ?? Uint8Array.of(0)),
    parts.extensions === undefined ? new Uint8Array(0) : vector16(...parts.extensions),
    parts.trailing ?? new Uint8Array(0),
  );
  const { length } = body;
  const header = Uint8Array.of(parts.messageType ?? 1, length >> 16, (length >> 8) & 0xff, length & 0xff);
  return concat(header, body);
}
