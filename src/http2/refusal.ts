/**
 * Requests that the codec itself answers, because the owner must never see them.
 *
 * @module
 */

import { ErrorCode, type Fields } from "../wire/http_handler.ts";
import { FloodKind } from "./flood.ts";
import type { Session } from "./session.ts";

const NO_CONTENT: Fields = ["content-length", "0"];

/**
 * Server role: answers a request that never became a stream with an empty response of that status, or with the head
 * that the owner has for it. Unless the request was at its end, what still comes of it is cut off with RST_STREAM
 * NO_ERROR (RFC 9113 §8.1).
 */
export function refuse(session: Session, streamId: number, status: string, ended: boolean): void {
  const { out, encoder } = session;
  const { length } = out;
  const head = session.handler.refused?.(Number(status), session.section.fields);
  const fields = head?.fields ?? NO_CONTENT;
  const mark = out.beginHeaders();
  encoder.begin(out);
  encoder.field(out, ":status", head === undefined ? status : String(head.status), false);
  for (let index = 0; index < fields.length; index += 2) {
    encoder.field(out, fields[index]!, fields[index + 1]!, false);
  }
  out.sealHeaders(mark, streamId, true);
  // Nobody asked the owner, so nobody else stops a peer that has these written and doesn't read them.
  out.controlBytes += out.length - length;
  session.checkOutput();
  if (ended || session.over) return;
  if (!session.flood.resetMade.take(session.nowMs)) {
    return session.failFlood(FloodKind.RESET_MADE, "too many streams that had to be reset");
  }
  session.writeReset(streamId, ErrorCode.NO_ERROR);
}
