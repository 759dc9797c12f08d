/**
 * What the owner of an HTTP/2 connection can choose. The codec reads no table of limits: it is told.
 *
 * @module
 */

import type { SectionLimits } from "./field_section.ts";

/** Which end of the connection this is. */
export type Http2Role = "server" | "client";

/** Options of one connection. A member that is absent has its default; zero is off only where it says so. */
export interface Http2Options extends Partial<SectionLimits> {
  /** Which end this is. */
  readonly role: Http2Role;
  /** Server: streams that the client may have open. Client: requests that we have open at most. Default 100. */
  readonly maxConcurrentStreams?: number;
  /**
   * Bounds what is held for this connection. Receiving: the sum of the windows that we grant. Sending, server
   * role: bytes that wait for the client's windows; over it the connection ends as a flood. In the client role
   * they come out of the windows of the clients who send, each of which has this bound for what all backends
   * together hold of it, as long as the owner credits what was `taken` and nothing before; one client's stalled
   * upload must not end a connection that others share. Either sum may reach 16 KiB for each of
   * `maxConcurrentStreams`, since a window must take a whole frame, plus half of this. Default 1,048,576.
   */
  readonly maxBufferedBytesPerConnection?: number;
  /**
   * A second, each counted apart: stream resets by the peer (server role), those that the peer makes us send, and
   * streams opened beyond the limit or after our GOAWAY. Default 33.
   */
  readonly maxResetsPerSecond?: number;
  /** As many of each at once, before the rate counts. Default 1,000. */
  readonly maxResetsBurst?: number;
  /**
   * PING, SETTINGS, PRIORITY with unknown types, empty DATA and WINDOW_UPDATE frames a second, each kind for
   * itself. The content that we send earns the peer more PING and WINDOW_UPDATE, a stream two PRIORITY, two
   * WINDOW_UPDATE and one empty end. Default 100.
   */
  readonly maxControlFramesPerSecond?: number;
  /** CONTINUATION frames in one field block, empty ones included. Default 16. */
  readonly maxContinuationFrames?: number;
  /** Client: interim responses to one request. Default 10. */
  readonly maxInterimResponses?: number;
  /** HPACK table of either direction, in bytes. Default 4,096. 0 = no dynamic tables. */
  readonly headerTableBytes?: number;
  /** Server: announce and accept extended CONNECT (RFC 8441). Default false. */
  readonly enableConnectProtocol?: boolean;
  /** Milliseconds without a byte from the peer after which `tick` sends a PING. Default 0 = never. */
  readonly pingIntervalMs?: number;
  /** Milliseconds that the answer to that PING may take. Default 10,000, never off. */
  readonly pingTimeoutMs?: number;
  /** Milliseconds that the peer has to acknowledge our SETTINGS. Default 10,000, never off. */
  readonly settingsTimeoutMs?: number;
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<Http2Options>;

/** Fills in the defaults. */
export function resolveOptions(options: Http2Options): ResolvedOptions {
  return {
    role: options.role,
    maxHeaderBytes: options.maxHeaderBytes ?? 65_536,
    maxHeaderFields: options.maxHeaderFields ?? 128,
    maxConcurrentStreams: options.maxConcurrentStreams ?? 100,
    maxBufferedBytesPerConnection: options.maxBufferedBytesPerConnection ?? 1_048_576,
    maxResetsPerSecond: options.maxResetsPerSecond ?? 33,
    maxResetsBurst: options.maxResetsBurst ?? 1_000,
    maxControlFramesPerSecond: options.maxControlFramesPerSecond ?? 100,
    maxContinuationFrames: options.maxContinuationFrames ?? 16,
    maxInterimResponses: options.maxInterimResponses ?? 10,
    headerTableBytes: options.headerTableBytes ?? 4_096,
    enableConnectProtocol: options.enableConnectProtocol ?? false,
    pingIntervalMs: options.pingIntervalMs ?? 0,
    pingTimeoutMs: options.pingTimeoutMs ?? 10_000,
    settingsTimeoutMs: options.settingsTimeoutMs ?? 10_000,
  };
}
