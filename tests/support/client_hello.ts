/**
 * ClientHellos written by hand (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301), so that a test says exactly which bytes a
 * client sends.
 *
 * @module
 */

/** What stands in a hello. Every field left out takes its default; `undefined` names and lists mean "no extension". */
export interface ClientHelloOptions {
  /** server_name's one host_name, sent as it is: any bytes that ISO 8859-1 holds. Absent = no extension. */
  readonly serverName?: string;
  /** ALPN protocols in order. Absent = no extension. */
  readonly alpn?: readonly string[];
  /** Newest version offered. 1.2 leaves supported_versions out. Default 1.3. */
  readonly version?: "1.2" | "1.3";
  /** Bytes of content of a padding extension (RFC 7685), for large hellos. Default: no padding. */
  readonly paddingBytes?: number;
  /** More extensions, after the others; for two server_name, ECH, and nonsense. */
  readonly extensions?: readonly Uint8Array[];
  /** Most handshake bytes in one record; more records follow. Default: 16,384, the largest legal. */
  readonly recordBytesMax?: number;
}

/** The hello's bytes as they go on the wire: one or more TLS records. */
export function clientHello(options: ClientHelloOptions = {}): Uint8Array {
  return records(clientHelloMessage(options), options.recordBytesMax);
}

/** The handshake message alone, without record headers. */
export function clientHelloMessage(options: ClientHelloOptions = {}): Uint8Array {
  const body = bytes(
    number(0x0303, 2),
    random(),
    vector(1, random()),
    vector(2, bytes(number(0x1301, 2), number(0x1302, 2), number(0xc02b, 2), number(0xc02f, 2))),
    vector(1, number(0, 1)),
    vector(2, bytes(...extensionsOf(options))),
  );
  return bytes(number(1, 1), vector(3, body));
}

/** One record. */
export function record(content: Uint8Array, type = 22, version = 0x0301): Uint8Array {
  return bytes(number(type, 1), number(version, 2), vector(2, content));
}

/** Cuts handshake bytes into records of at most `bytesMax` each, with headers. */
export function records(handshake: Uint8Array, bytesMax = 16_384): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let from = 0; from < handshake.length; from += bytesMax) {
    parts.push(record(handshake.subarray(from, from + bytesMax)));
  }
  return bytes(...parts);
}

/** One extension of any type. */
export function extension(type: number, ...content: readonly Uint8Array[]): Uint8Array {
  return bytes(number(type, 2), vector(2, ...content));
}

/** A server_name extension with one host_name for each name. */
export function serverNameExtension(...names: readonly string[]): Uint8Array {
  return extension(0, vector(2, ...names.map((name) => bytes(number(0, 1), vector(2, latin1(name))))));
}

/** An application_layer_protocol_negotiation extension. */
export function alpnExtension(...protocols: readonly string[]): Uint8Array {
  return extension(16, vector(2, ...protocols.map((name) => vector(1, latin1(name)))));
}

/** `parts` one after the other. */
export function bytes(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** `value` in `width` bytes, big-endian. */
export function number(value: number, width: number): Uint8Array {
  const all = new Uint8Array(width);
  for (let at = 0; at < width; at++) all[at] = value >>> 8 * (width - 1 - at);
  return all;
}

/** `content` behind its length in `width` bytes. */
export function vector(width: number, ...content: readonly Uint8Array[]): Uint8Array {
  const whole = bytes(...content);
  return bytes(number(whole.length, width), whole);
}

/** Each character of `text` as one byte. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function extensionsOf(options: ClientHelloOptions): Uint8Array[] {
  const { serverName, alpn, version = "1.3", paddingBytes, extensions = [] } = options;
  return [
    ...(serverName === undefined ? [] : [serverNameExtension(serverName)]),
    extension(10, vector(2, bytes(number(0x001d, 2), number(0x0017, 2)))),
    extension(13, vector(2, bytes(number(0x0403, 2), number(0x0804, 2)))),
    ...(alpn === undefined ? [] : [alpnExtension(...alpn)]),
    ...(version === "1.2" ? [] : [
      extension(43, vector(1, bytes(number(0x0304, 2), number(0x0303, 2)))),
      extension(51, vector(2, bytes(number(0x001d, 2), vector(2, random())))),
    ]),
    ...(paddingBytes === undefined ? [] : [extension(21, new Uint8Array(paddingBytes))]),
    ...extensions,
  ];
}

function random(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(32));
}
