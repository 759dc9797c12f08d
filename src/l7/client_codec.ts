/**
 * The server's side of HTTP as one client connection gets it.
 *
 * @module
 */

import { Http1ServerConnection } from "../http1/server_connection.ts";
import { Http2Connection } from "../http2/connection.ts";
import type { Reason } from "../reasons.ts";
import type { Limits } from "../state/limits.ts";
import { ErrorCode, type HttpError, type HttpHandler } from "../wire/http_handler.ts";

/** A codec towards a client. */
export type ClientCodec = Http2Connection | Http1ServerConnection;

/** A codec under the limits. @param allowsTunnels announces extended CONNECT, where the version has it */
export function clientCodec(
  handler: HttpHandler,
  version: "h2" | "http/1.1",
  limits: Limits,
  allowsTunnels: boolean,
): ClientCodec {
  const { maxHeaderBytes, maxHeaderFields } = limits;
  if (version === "http/1.1") return new Http1ServerConnection(handler, { maxHeaderBytes, maxHeaderFields });
  return new Http2Connection(handler, {
    role: "server",
    enableConnectProtocol: allowsTunnels,
    maxHeaderBytes,
    maxHeaderFields,
    maxConcurrentStreams: limits.maxConcurrentStreams,
    maxResetsPerSecond: limits.maxResetsPerSecond,
    maxResetsBurst: limits.maxResetsBurst,
    maxControlFramesPerSecond: limits.maxControlFramesPerSecond,
    maxContinuationFrames: limits.maxContinuationFrames,
    maxBufferedBytesPerConnection: limits.maxBufferedBytesPerConnection,
    settingsTimeoutMs: limits.requestHeaderTimeoutMs,
  });
}

/** Why a connection ends that its codec has ended because of what the client sent, or didn't. */
export function reasonOf({ code, flood }: HttpError): Reason {
  if (flood !== undefined) return "flood";
  if (code === ErrorCode.SETTINGS_TIMEOUT) return "http_timeout";
  // The codec of HTTP/1.1 says so of a response that can't be written as its backend declared it.
  return code === ErrorCode.INTERNAL_ERROR ? "backend_reset" : "http_malformed";
}
