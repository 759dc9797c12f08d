/**
 * The extensions of a ClientHello that routing and termination need: server_name (RFC 6066 §3), ALPN (RFC 7301
 * §3.1), the versions (RFC 8446 §4.2.1) and whether ECH is offered. All others are passed over by their length.
 *
 * @module
 */

import type { ByteReader } from "./byte_reader.ts";
import { decodeLatin1 } from "./latin1.ts";
import { canonicalServerName } from "./server_name.ts";

/** What the extensions say. Absent or empty where the extension is. */
export interface ClientHelloExtensions {
  /** Canonical host name: lower case, no trailing dot. */
  serverName?: string;
  /** The same name as the client spelled it, ASCII. */
  serverNameAsSent?: string;
  /** Protocols offered, in the client's order, each byte as one character (they are opaque to TLS). */
  alpnProtocols: readonly string[];
  /** Whether encrypted_client_hello is there, real or GREASE: the two look alike on purpose. */
  echOffered: boolean;
  /**
   * The newest of TLS 1.0 (0x0301) to 1.3 (0x0304) that supported_versions names; 0 = it names none of them. Absent
   * where the extension is, or is malformed, which only who terminates TLS has to mind.
   */
  newestVersion?: number;
}

const SERVER_NAME = 0;
const ALPN = 16;
const PRE_SHARED_KEY = 41;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

const TLS_1_0 = 0x0301;
const TLS_1_3 = 0x0304;
const HOST_NAME = 0;
const NO_PROTOCOLS: readonly string[] = Object.freeze([]);

/** One bit per extension type, set only during one call of {@linkcode parseClientHelloExtensions}. */
const seenTypes = new Uint8Array(65_536 / 8);

/**
 * Parses an extension block without its length.
 *
 * @param block exactly the block; read to its end
 * @returns what it says, or `undefined` when it is malformed: a length that doesn't fit, any extension twice
 * (RFC 8446 §4.2), pre_shared_key not last (§4.2.11), a server_name that isn't exactly one host_name that
 * {@linkcode canonicalServerName} accepts, or a protocol list that is empty or has an empty name
 */
export function parseClientHelloExtensions(block: ByteReader): ClientHelloExtensions | undefined {
  const start = block.offset;
  const parsed = parseExtensions(block);
  forgetTypes(block, start);
  return parsed;
}

function parseExtensions(block: ByteReader): ClientHelloExtensions | undefined {
  const found: ClientHelloExtensions = { alpnProtocols: NO_PROTOCOLS, echOffered: false };
  while (block.remaining > 0) {
    const type = block.uint16();
    const length = block.uint16();
    if (length > block.remaining || block.failed || !noteType(type)) return undefined;
    if (type === SERVER_NAME) {
      if (!readServerName(block.take(length), found)) return undefined;
    } else if (type === ALPN) {
      const protocols = parseProtocols(block.take(length));
      if (protocols === undefined) return undefined;
      found.alpnProtocols = protocols;
    } else if (type === SUPPORTED_VERSIONS) {
      const newest = newestVersionOf(block.take(length));
      if (newest !== undefined) found.newestVersion = newest;
    } else {
      if (type === ENCRYPTED_CLIENT_HELLO) found.echOffered = true;
      block.skip(length);
      if (type === PRE_SHARED_KEY && block.remaining > 0) return undefined;
    }
  }
  return found;
}

function noteType(type: number): boolean {
  const bit = 1 << (type & 7);
  if ((seenTypes[type >> 3]! & bit) !== 0) return false;
  seenTypes[type >> 3]! |= bit;
  return true;
}

/** Undoes every `noteType` of this block, in time that grows with the block and not with the number of types. */
function forgetTypes(block: ByteReader, start: number): void {
  const { bytes, end } = block;
  for (let at = start; at + 4 <= end;) {
    seenTypes[((bytes[at]! << 8) | bytes[at + 1]!) >> 3] = 0;
    at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
}

/**
 * Exactly one host_name. RFC 6066 defines no other name type, so the length of another's entry is unknown,
 * and what follows it can't be trusted to be a name.
 */
function readServerName(extension: ByteReader, found: ClientHelloExtensions): boolean {
  const list = extension.vector16();
  const type = list.uint8();
  const name = list.vector16();
  if (type !== HOST_NAME || list.failed || list.remaining > 0) return false;
  if (extension.failed || extension.remaining > 0 || name.remaining > 255) return false;
  const asSent = decodeLatin1(name.bytes, name.offset, name.end);
  const canonical = canonicalServerName(asSent);
  if (canonical === undefined) return false;
  found.serverName = canonical;
  found.serverNameAsSent = asSent;
  return true;
}

function parseProtocols(extension: ByteReader): readonly string[] | undefined {
  const list = extension.vector16();
  if (extension.failed || extension.remaining > 0 || list.remaining === 0) return undefined;
  const protocols: string[] = [];
  while (list.remaining > 0) {
    const name = list.vector8();
    if (list.failed || name.remaining === 0) return undefined;
    protocols.push(decodeLatin1(name.bytes, name.offset, name.end));
  }
  return protocols;
}

function newestVersionOf(extension: ByteReader): number | undefined {
  const list = extension.vector8();
  if (extension.failed || extension.remaining > 0 || list.remaining === 0) return undefined;
  let newest = 0;
  while (list.remaining > 0) {
    const version = list.uint16();
    if (version >= TLS_1_0 && version <= TLS_1_3) newest = Math.max(newest, version);
  }
  return list.failed ? undefined : newest;
}
