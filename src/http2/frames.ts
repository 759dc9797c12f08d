/**
 * HTTP/2's frame layer (RFC 9113 §4, §6): types, flags, sizes, and reading the numbers in a frame.
 *
 * @module
 */

/** Frame types (RFC 9113 §6). Any other type is read over and ignored (§5.5). */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** Frame flags. ACK shares its bit with END_STREAM, on other frame types. */
export const Flag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Octets of a frame header (RFC 9113 §4.1). */
export const FRAME_HEADER_BYTES = 9;

/** Largest payload that we accept and send: the protocol's initial SETTINGS_MAX_FRAME_SIZE, never raised. */
export const MAX_FRAME_BYTES = 16_384;

/** Every window's size before SETTINGS say otherwise (RFC 9113 §6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;

/** Largest flow-control window and largest stream identifier (RFC 9113 §6.9.1, §5.1.1). */
export const MAX_31_BITS = 0x7fff_ffff;

/** What a client sends first (RFC 9113 §3.4), as bytes. */
export const PREFACE: Uint8Array = Uint8Array.from(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  (char) => char.charCodeAt(0),
);

/** An unsigned 16-bit number in network order. The caller has checked that it is there. */
export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** An unsigned 24-bit number in network order: a frame's length. The caller has checked that it is there. */
export function readUint24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** An unsigned 31-bit number in network order, the reserved top bit ignored: stream ids and increments. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** An unsigned 32-bit number in network order: settings and error codes. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
