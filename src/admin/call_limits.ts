/**
 * What bounds a client of the admin API.
 *
 * @module
 */

import type { GrpcSettings } from "../state/settings.ts";

/** Largest message, either way. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Connections of clients at once. */
export const CONNECTIONS_MAX = 64;
/**
 * TLS handshakes at once; one more ends the oldest. As many as the kernel's queue holds, all of which come in one turn of
 * the event loop: with fewer, a burst would end a client before it could answer.
 */
export const HANDSHAKES_MAX = 512;

/** Descriptors that clients of the admin API may cost at once. @param settings absent = there is no such API */
export function adminDescriptors(settings: GrpcSettings | undefined): number {
  if (settings === undefined) return 0;
  return CONNECTIONS_MAX + (settings.tlsCert === "" ? 0 : HANDSHAKES_MAX);
}

/** Streams that one client may have open. */
export const STREAMS_MAX = 100;
/** Of these, calls that may stay open without end: watchers, and streams of requests. The places of watchers are shared. */
export const LASTING_CALLS_MAX = 16;
/** One header section. */
export const HEADER_BYTES_MAX = 16_384;
/** Bytes of all requests that are under way. */
export const REQUEST_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of all answers that clients have not taken yet. */
export const ANSWER_BYTES_MAX = 128 * 1024 * 1024;
/** The same of one connection. */
export const SESSION_ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Output that waits for a client that doesn't read its socket, at which nothing more is read from it. */
export const UNREAD_BYTES_MAX = 262_144;
/** A connection without a call is closed after so long. */
export const IDLE_MS = 300_000;
/** A silent client is asked whether it is still there. */
export const PING_INTERVAL_MS = 30_000;
/** What a request of one message may take to arrive. */
export const REQUEST_MS = 30_000;
/** What a stream of requests may be silent for; a hand-over is, for 60 s. */
export const SILENCE_MS = 90_000;
/** What a client may take to read a part of an answer. */
export const UNREAD_MS = 60_000;
/** What an unfinished frame that isn't DATA, or an unfinished field block, may take. */
export const HEADER_MS = 10_000;
/** What the last output of a connection that is over may take to leave. */
export const FAREWELL_MS = 5_000;
/** A TLS handshake. */
export const HANDSHAKE_MS = 10_000;
/** Longest deadline that a call may ask for. */
export const TIMEOUT_MS_MAX: number = 24 * 60 * 60 * 1_000;
