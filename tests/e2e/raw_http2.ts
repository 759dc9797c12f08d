/**
 * Requests of HTTP/2 frame by frame, field blocks of literals: our own encoder leaves out, and our own client refuses
 * to say, what HTTP/2 forbids.
 *
 * @module
 */

import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { concat, describe, frame, readFrames, settings } from "../http2/raw_peer.ts";
import { latin1 } from "../support/client_hello.ts";

const FRAME_BYTES_MAX = 16_384;

/** Preface, SETTINGS and a request on stream 1, which `content` ends where it is given. */
export function rawRequest(fields: readonly string[], content?: string): Uint8Array {
  const section = literals(fields);
  const frames: Uint8Array[] = [PREFACE, settings()];
  for (let at = 0; at < section.length; at += FRAME_BYTES_MAX) {
    const part = section.subarray(at, at + FRAME_BYTES_MAX);
    const isLast = at + part.length === section.length;
    const endStream = at === 0 && content === undefined ? 1 : 0;
    frames.push(
      frame(at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION, endStream | (isLast ? 4 : 0), 1, part),
    );
  }
  if (content !== undefined) frames.push(frame(FrameType.DATA, 1, 1, latin1(content)));
  return concat(...frames);
}

/** A field block of literals (RFC 7541 §6.2.2). */
export function literals(fields: readonly string[]): Uint8Array {
  const out: number[] = [];
  for (const [index, text] of fields.entries()) {
    if (index % 2 === 0) out.push(0);
    if (text.length < 127) out.push(text.length);
    else {
      out.push(127);
      let rest = text.length - 127;
      for (; rest >= 128; rest >>>= 7) out.push(rest & 127 | 128);
      out.push(rest);
    }
    for (const byte of latin1(text)) out.push(byte);
  }
  return Uint8Array.from(out);
}

/** What became of stream 1: `status 400`, `RST_STREAM CODE`, `GOAWAY CODE`; absent while nothing has been said. */
export function answerOf(bytes: Uint8Array): string | undefined {
  if (!isWhole(bytes)) return undefined;
  for (const line of describe(bytes, new HpackDecoder(4_096))) {
    const [type, streamId, what] = line.split(" ");
    if (type === "GOAWAY") return `GOAWAY ${what}`;
    if (streamId !== "1") continue;
    if (type === "RST_STREAM") return `RST_STREAM ${what}`;
    if (type === "HEADERS") return `status ${what}`;
  }
  return undefined;
}

function isWhole(bytes: Uint8Array): boolean {
  try {
    return readFrames(bytes).length > 0;
  } catch {
    return false;
  }
}
