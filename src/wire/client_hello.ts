/**
 * Reads the first thing that a TLS client says, without taking part in the handshake: records are reassembled
 * (RFC 8446 §5.1), the ClientHello is parsed (§4.1.2, and RFC 5246 §7.4.1.2 for hellos without extensions).
 *
 * @module
 */

import { ByteReader } from "./byte_reader.ts";
import { type ClientHelloExtensions, parseClientHelloExtensions } from "./client_hello_extensions.ts";

/** What a ClientHello says about where it wants to go. "No SNI" is a hello without `serverName`. */
export interface ClientHello extends Readonly<ClientHelloExtensions> {
  /** `legacy_version`: 0x0303 for TLS 1.2 and 1.3 clients, less for older ones. */
  readonly legacyVersion: number;
}

/** TLS 1.2 as a number of the wire; 1.3 is one more, older ones are less. */
export const TLS_1_2 = 0x0303;

/**
 * The newest version that a client offers, 0x0304 (TLS 1.3) at most: by supported_versions alone where that is there
 * (RFC 8446 §4.2.1), else by `legacy_version`, which says TLS 1.2 at most.
 */
export function newestVersion({ newestVersion, legacyVersion }: ClientHello): number {
  return newestVersion ?? Math.min(legacyVersion, TLS_1_2);
}

/**
 * Why bytes can't be a ClientHello; each is a reason for which a connection ends.
 * - `not_tls`: the first record is not a TLS handshake record (SSLv2 hellos included)
 * - `hello_malformed`: TLS, but not a whole and valid ClientHello
 * - `hello_too_large`: over one of {@linkcode ClientHelloLimits}, or a record over 2^14 bytes
 */
export type ClientHelloFault = "not_tls" | "hello_malformed" | "hello_too_large";

/** What {@linkcode ClientHelloReader.push} knows so far. */
export type ClientHelloOutcome =
  | { readonly kind: "need_more" }
  | { readonly kind: "hello"; readonly hello: ClientHello }
  | { readonly kind: "invalid"; readonly reason: ClientHelloFault };

/** Bounds on what one client may make a {@linkcode ClientHelloReader} look at. */
export interface ClientHelloLimits {
  /** Longest handshake message, its 4 byte header included. Default 16,384. */
  readonly messageBytesMax: number;
  /** Most bytes up to the end of the hello, record headers included. Default 32,768. */
  readonly rawBytesMax: number;
  /** Most TLS records that the hello may be spread over. Default 8,192. */
  readonly recordsMax: number;
}

/** The defaults of {@linkcode ClientHelloLimits}. */
export const CLIENT_HELLO_LIMITS: ClientHelloLimits = Object.freeze({
  messageBytesMax: 16_384,
  rawBytesMax: 32_768,
  recordsMax: 8_192,
});

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const RECORD_BYTES_MAX = 16_384;
const MESSAGE_HEADER_BYTES = 4;
const MESSAGE_BUFFER_BYTES = 2_048;

const NEED_MORE: ClientHelloOutcome = Object.freeze({ kind: "need_more" });
const NOT_TLS: ClientHelloOutcome = Object.freeze({ kind: "invalid", reason: "not_tls" });
const MALFORMED: ClientHelloOutcome = Object.freeze({ kind: "invalid", reason: "hello_malformed" });
const TOO_LARGE: ClientHelloOutcome = Object.freeze({ kind: "invalid", reason: "hello_too_large" });
const NO_BYTES = new Uint8Array(0);

/**
 * Finds the ClientHello in a stream of bytes that arrives in pieces of any size. It looks and does not take: the
 * caller keeps the bytes for replay. The outcome depends on the bytes alone, never on how they were cut.
 * The time for a hello grows with its length, also when it comes byte by byte.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const reader = new ClientHelloReader();
 * assert.equal(reader.push(Uint8Array.of(22, 3)).kind, "need_more");
 * assert.equal(new ClientHelloReader().push(new TextEncoder().encode("GET / HTTP/1.1")).kind, "invalid");
 * ```
 */
export class ClientHelloReader {
  readonly #limits: ClientHelloLimits;
  #outcome: ClientHelloOutcome = NEED_MORE;
  #rawBytes = 0;
  #records = 0;
  /** Bytes of the current record's header seen so far. */
  #recordHeaderBytes = 0;
  /** Bytes of the current record's content still to come; while its header comes in, the length so far. */
  #recordBytesLeft = 0;
  /** The handshake message so far, in the first `#messageBytes` of a buffer that doubles as bytes arrive. */
  #message = NO_BYTES;
  #messageBytes = 0;
  /** Length of the whole message; 0 until its header is there. */
  #messageBytesWanted = 0;

  /**
   * Begins with no byte seen.
   *
   * @param limits bounds, default {@linkcode CLIENT_HELLO_LIMITS}
   */
  constructor(limits: ClientHelloLimits = CLIENT_HELLO_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes the bytes that follow those of the call before.
   *
   * @param bytes may be empty; not kept, and not looked at behind the end of the hello
   * @returns what is known now; once it isn't `need_more`, it stays as it is
   */
  push(bytes: Uint8Array): ClientHelloOutcome {
    if (this.#outcome !== NEED_MORE) return this.#outcome;
    const atStart = this.#rawBytes === 0;
    this.#outcome = (atStart ? parseWholeRecord(bytes, this.#limits) : undefined) ?? this.#reassemble(bytes);
    if (this.#outcome !== NEED_MORE) this.#message = NO_BYTES;
    return this.#outcome;
  }

  #reassemble(bytes: Uint8Array): ClientHelloOutcome {
    let at = 0;
    while (at < bytes.length) {
      if (this.#rawBytes >= this.#limits.rawBytesMax) return TOO_LARGE;
      if (this.#recordHeaderBytes < RECORD_HEADER_BYTES) {
        const fault = this.#readRecordHeader(bytes[at++]!);
        this.#rawBytes++;
        if (fault !== undefined) return fault;
      } else {
        const count = Math.min(
          bytes.length - at,
          this.#recordBytesLeft,
          this.#limits.rawBytesMax - this.#rawBytes,
        );
        this.#append(bytes, at, count);
        at += count;
        this.#rawBytes += count;
        this.#recordBytesLeft -= count;
        if (this.#recordBytesLeft === 0) this.#recordHeaderBytes = 0;
        const outcome = this.#readMessage();
        if (outcome !== NEED_MORE) return outcome;
      }
    }
    return NEED_MORE;
  }

  /** Takes one byte of a record header: type, version (any minor one, RFC 8446 §5.1), length. */
  #readRecordHeader(byte: number): ClientHelloOutcome | undefined {
    const fault = this.#records === 0 ? NOT_TLS : MALFORMED;
    switch (this.#recordHeaderBytes++) {
      case 0:
        return byte === HANDSHAKE ? undefined : fault;
      case 1:
        return byte === 3 ? undefined : fault;
      case 2:
        return undefined;
      case 3:
        this.#recordBytesLeft = byte << 8;
        return undefined;
      default:
        this.#recordBytesLeft |= byte;
        if (++this.#records > this.#limits.recordsMax) return TOO_LARGE;
        if (this.#recordBytesLeft > RECORD_BYTES_MAX) return TOO_LARGE;
        // RFC 8446 §5.1: zero-length fragments of handshake types must not be sent.
        return this.#recordBytesLeft === 0 ? MALFORMED : undefined;
    }
  }

  #append(bytes: Uint8Array, start: number, count: number): void {
    const total = this.#messageBytes + count;
    if (total > this.#message.length) {
      const grown = new Uint8Array(Math.max(total, this.#message.length * 2, MESSAGE_BUFFER_BYTES));
      grown.set(this.#message.subarray(0, this.#messageBytes));
      this.#message = grown;
    }
    if (count === 1) this.#message[this.#messageBytes] = bytes[start]!;
    else this.#message.set(bytes.subarray(start, start + count), this.#messageBytes);
    this.#messageBytes = total;
  }

  #readMessage(): ClientHelloOutcome {
    if (this.#messageBytesWanted === 0) {
      if (this.#message[0] !== CLIENT_HELLO) return MALFORMED;
      if (this.#messageBytes < MESSAGE_HEADER_BYTES) return NEED_MORE;
      this.#messageBytesWanted = MESSAGE_HEADER_BYTES + uint24(this.#message, 1);
    }
    if (this.#messageBytesWanted > this.#limits.messageBytesMax) return TOO_LARGE;
    if (this.#messageBytes < this.#messageBytesWanted) return NEED_MORE;
    return parseClientHelloBody(this.#message, MESSAGE_HEADER_BYTES, this.#messageBytesWanted);
  }
}

/**
 * The common case, without a copy: the first record is here and holds the whole message. Anything else, wrong
 * or not, is left to the reassembly, so that there is one place that judges it.
 */
function parseWholeRecord(bytes: Uint8Array, limits: ClientHelloLimits): ClientHelloOutcome | undefined {
  const bodyStart = RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES;
  if (bytes.length < bodyStart) return undefined;
  if (bytes[0] !== HANDSHAKE || bytes[1] !== 3 || bytes[RECORD_HEADER_BYTES] !== CLIENT_HELLO) {
    return undefined;
  }
  const recordBytes = (bytes[3]! << 8) | bytes[4]!;
  const messageBytes = MESSAGE_HEADER_BYTES + uint24(bytes, RECORD_HEADER_BYTES + 1);
  const end = RECORD_HEADER_BYTES + messageBytes;
  if (end > bytes.length || messageBytes > recordBytes || recordBytes > RECORD_BYTES_MAX) return undefined;
  if (messageBytes > limits.messageBytesMax || end > limits.rawBytesMax || limits.recordsMax < 1) {
    return undefined;
  }
  return parseClientHelloBody(bytes, bodyStart, end);
}

function parseClientHelloBody(bytes: Uint8Array, start: number, end: number): ClientHelloOutcome {
  const reader = new ByteReader(bytes, start, end);
  const legacyVersion = reader.uint16();
  reader.skip(32); // random
  const sessionIdBytes = reader.uint8();
  reader.skip(sessionIdBytes);
  const cipherSuitesBytes = reader.uint16();
  reader.skip(cipherSuitesBytes);
  const compressionMethodsBytes = reader.uint8();
  reader.skip(compressionMethodsBytes);
  if (reader.failed || sessionIdBytes > 32 || compressionMethodsBytes === 0) return MALFORMED;
  if (cipherSuitesBytes === 0 || cipherSuitesBytes % 2 !== 0) return MALFORMED;
  // RFC 5246 §7.4.1.2: extensions are there when bytes follow the compression methods.
  const block = reader.remaining === 0 ? reader : reader.vector16();
  if (reader.failed || reader.remaining > 0) return MALFORMED;
  const extensions = parseClientHelloExtensions(block);
  if (extensions === undefined) return MALFORMED;
  return { kind: "hello", hello: { legacyVersion, ...extensions } };
}

function uint24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}
