/**
 * Makes ClientHellos by hand, right and wrong ones, out of RFC 8446's vectors.
 *
 * @module
 */

/** A vector with a length of one byte. */
export function vector8(...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  return concat(Uint8Array.of(content.length), content);
}

/** A vector with a length of two bytes. */
export function vector16(...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  return concat(Uint8Array.of(content.length >> 8, content.length & 0xff), content);
}

/** One byte after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Each character as one byte. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** One extension. */
export function extension(type: number, ...content: readonly Uint8Array[]): Uint8Array {
  return concat(Uint8Array.of(type >> 8, type & 0xff), vector16(...content));
}

/** A server_name extension with one host_name for each name. */
export function serverNameExtension(...names: readonly string[]): Uint8Array {
  const entries = names.map((name) => concat(Uint8Array.of(0), vector16(latin1(name))));
  return extension(0, vector16(...entries));
}

/** An ALPN extension. */
export function alpnExtension(...protocols: readonly string[]): Uint8Array {
  return extension(16, vector16(...protocols.map((protocol) => vector8(latin1(protocol)))));
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

/** One handshake record. */
export function record(content: Uint8Array, type = 22, version = 0x0301): Uint8Array {
  return concat(Uint8Array.of(type, version >> 8, version & 0xff), vector16(content));
}

/** A message spread over handshake records of at most `recordBytes` of content. */
export function records(message: Uint8Array, recordBytes: number): Uint8Array {
  const all: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    all.push(record(message.subarray(at, at + recordBytes)));
  }
  return concat(...all);
}
