/**
 * What a PROXY protocol header says, in either version (the HAProxy project's `proxy-protocol.txt`).
 *
 * @module
 */

/** One end of the proxied connection. */
export interface ProxyAddress {
  /** IP literal as RFC 5952 spells it; an IPv4-mapped IPv6 address stays one, as it was given. */
  readonly host: string;
  /** 0–65535. */
  readonly port: number;
}

/** One Type-Length-Value of a version 2 header. */
export interface ProxyTlv {
  /** One of {@linkcode PROXY_TLV_TYPES}, or any other byte. */
  readonly type: number;
  /** A view of the bytes that were parsed: copy what must outlive them. */
  readonly value: Uint8Array;
}

/** A header. */
export interface ProxyHeader {
  /** 1 is a line of text, 2 is binary. */
  readonly version: 1 | 2;
  /** `LOCAL`: the sender opened the connection for itself (a health check). Always `PROXY` in version 1. */
  readonly command: "LOCAL" | "PROXY";
  /** The client; absent when undeclared (LOCAL, UNKNOWN, UNSPEC, UNIX), which means: the peer's own address. */
  readonly source?: ProxyAddress;
  /** Where the client connected to; absent exactly when `source` is. */
  readonly destination?: ProxyAddress;
  /** In order, without padding (NOOP) and checksum; none in version 1, LOCAL and UNSPEC. */
  readonly tlvs: readonly ProxyTlv[];
}

/** What the parser knows so far. Every `invalid` has the one reason that a connection then ends for. */
export type ProxyHeaderOutcome =
  | { readonly kind: "need_more" }
  | {
    readonly kind: "header";
    readonly header: ProxyHeader;
    /** Length of the header in bytes; the client's own bytes begin there. */
    readonly consumed: number;
  }
  | { readonly kind: "invalid"; readonly reason: "proxy_header_invalid"; readonly detail: ProxyHeaderFault };

/**
 * What is wrong with a header.
 * - `no_signature`: the bytes begin like neither version
 * - `too_large`: longer than version 1 may be, or than we take in version 2
 * - `malformed`: against the grammar: an unknown command or family, a wrong address, a length that doesn't fit
 * - `wrong_checksum`: version 2's CRC32C is there and not that of the header
 */
export type ProxyHeaderFault = "no_signature" | "too_large" | "malformed" | "wrong_checksum";

/** Types of version 2's TLVs, section 2.2, and the sub-types inside SSL. */
export const PROXY_TLV_TYPES = {
  ALPN: 0x01,
  AUTHORITY: 0x02,
  CRC32C: 0x03,
  NOOP: 0x04,
  UNIQUE_ID: 0x05,
  SSL: 0x20,
  SSL_VERSION: 0x21,
  SSL_CN: 0x22,
} as const satisfies Record<string, number>;

/** The first 12 bytes of every version 2 header. */
export const PROXY_V2_SIGNATURE: readonly number[] = Object.freeze([
  0x0d,
  0x0a,
  0x0d,
  0x0a,
  0x00,
  0x0d,
  0x0a,
  0x51,
  0x55,
  0x49,
  0x54,
  0x0a,
]);

/** The outcome for bytes that are good so far. */
export const PROXY_HEADER_NEED_MORE: ProxyHeaderOutcome = Object.freeze({ kind: "need_more" });

/** The outcome for bytes that can't become a header any more. */
export function invalidProxyHeader(detail: ProxyHeaderFault): ProxyHeaderOutcome {
  return { kind: "invalid", reason: "proxy_header_invalid", detail };
}
