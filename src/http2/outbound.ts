/**
 * What we send: heads, content under both windows, trailers.
 *
 * @module
 */

import type { Fields, RequestHead, ResponseHead } from "../wire/http_handler.ts";
import { FloodKind } from "./flood.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import type { Session } from "./session.ts";
import type { Stream } from "./stream.ts";

const NOTHING = new Uint8Array(0);

/** Writes a request's head and marks the stream as ended by us when `end`. */
export function sendRequest(session: Session, stream: Stream, head: RequestHead, end: boolean): void {
  const { out, encoder } = session;
  const mark = out.beginHeaders();
  stream.writtenAtTake = out.number;
  encoder.begin(out);
  encoder.field(out, ":method", head.method, false);
  if (head.scheme !== "") encoder.field(out, ":scheme", head.scheme, false);
  encoder.field(out, ":authority", head.authority, false);
  if (head.path !== "") encoder.field(out, ":path", head.path, false);
  if (head.protocol !== undefined) encoder.field(out, ":protocol", head.protocol, false);
  writeFields(session, head.fields, head.neverIndexed);
  out.sealHeaders(mark, stream.id, end);
  stream.headMethod = head.method === "HEAD";
  stream.connectMethod = head.method === "CONNECT";
  if (end) endLocal(session, stream);
}

/** Writes a response's head, interim or final. A second final one is left out. */
export function sendResponse(session: Session, stream: Stream, head: ResponseHead, end: boolean): void {
  if (stream.headSent) return;
  const { out, encoder } = session;
  const mark = out.beginHeaders();
  encoder.begin(out);
  encoder.field(out, ":status", String(head.status), false);
  writeFields(session, head.fields, head.neverIndexed);
  const final = head.status >= 200;
  out.sealHeaders(mark, stream.id, final && end);
  stream.headSent = final;
  if (final && end) endLocal(session, stream);
}

/** Sends content as far as the windows allow, and keeps a copy of the rest. */
export function sendData(session: Session, stream: Stream, bytes: Uint8Array, end: boolean): void {
  if (stream.endAsked || (session.isServer && !stream.headSent)) return;
  stream.endAsked = end;
  let sent = 0;
  if (stream.pendingBytes === 0) {
    sent = Math.max(0, Math.min(bytes.length, stream.sendWindow, session.sendWindow));
    if (sent > 0 || (end && bytes.length === 0)) {
      write(session, stream, bytes, sent, end && sent === bytes.length, sent < bytes.length);
    }
  }
  const rest = bytes.length - sent;
  if (rest > 0) {
    stream.keep(bytes, sent, session.out.spare);
    session.blocked.add(stream);
    if (!hold(session, rest)) return;
  }
  if (sent > 0) session.handler.taken(stream.id, sent);
}

/** Sends trailers, behind the content that still waits. Without fields the content just ends. */
export function sendTrailers(session: Session, stream: Stream, fields: Fields): void {
  if (stream.endAsked || (session.isServer && !stream.headSent)) return;
  if (fields.length === 0) return sendData(session, stream, NOTHING, true);
  stream.endAsked = true;
  if (stream.pendingBytes === 0) return writeTrailers(session, stream, fields);
  stream.pendingTrailers = fields;
  for (const text of fields) stream.trailerBytes += text.length;
  hold(session, stream.trailerBytes);
}

/** Counts what waits for the peer's windows; false when that was too much for a client. */
function hold(session: Session, bytes: number): boolean {
  session.pendingBytes += bytes;
  if (!session.isServer || session.pendingBytes <= session.budget.totalBytes) return true;
  session.failFlood(FloodKind.BUFFERED_BYTES, "too many bytes that wait for the peer's windows");
  return false;
}

/** Sends what waits on one stream, as far as the windows allow. */
export function flushStream(session: Session, stream: Stream): void {
  while (!stream.closed && stream.pendingBytes > 0 && flushPart(session, stream)) continue;
}

/** Sends what waits on all streams, a frame from each in turn, as far as the windows allow. */
export function flushAll(session: Session): void {
  // A stream with more to send goes to the end of the set, and the loop comes round to it again.
  for (const stream of session.blocked) {
    if (session.sendWindow <= 0 || session.over) return;
    if (!flushPart(session, stream) || stream.closed || stream.pendingBytes === 0) continue;
    session.blocked.delete(stream);
    session.blocked.add(stream);
  }
}

function flushPart(session: Session, stream: Stream): boolean {
  const pending = stream.pendingBytes;
  const count = Math.min(pending, stream.sendWindow, session.sendWindow, MAX_FRAME_BYTES);
  if (count <= 0) return false;
  const last = count === pending;
  session.pendingBytes -= count;
  if (last) session.blocked.delete(stream);
  const trailers = stream.pendingTrailers;
  const ends = last && stream.endAsked && trailers === undefined;
  write(session, stream, stream.release(count), count, ends, count < Math.min(pending, MAX_FRAME_BYTES));
  if (last) stream.giveUp(session.out.spare);
  if (last && trailers !== undefined) {
    session.pendingBytes -= stream.trailerBytes;
    stream.trailerBytes = 0;
    writeTrailers(session, stream, trailers);
  }
  session.handler.taken(stream.id, count);
  return true;
}

function write(
  session: Session,
  stream: Stream,
  bytes: Uint8Array,
  count: number,
  last: boolean,
  isCut: boolean,
): void {
  const frames = session.out.data(stream.id, bytes, 0, count, last);
  stream.sendWindow -= count;
  session.sendWindow -= count;
  session.flood.sent(isCut ? Math.max(0, frames - 1) : frames, count);
  if (last) endLocal(session, stream);
}

function writeTrailers(session: Session, stream: Stream, fields: Fields): void {
  const { out, encoder } = session;
  const mark = out.beginHeaders();
  encoder.begin(out);
  for (let index = 0; index < fields.length; index += 2) {
    encoder.field(out, fields[index]!, fields[index + 1]!, false);
  }
  out.sealHeaders(mark, stream.id, true);
  endLocal(session, stream);
}

function writeFields(session: Session, fields: Fields, neverIndexed: ReadonlySet<string>): void {
  const { out, encoder } = session;
  const some = neverIndexed.size > 0;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index]!;
    encoder.field(out, name, fields[index + 1]!, some && neverIndexed.has(name));
  }
}

function endLocal(session: Session, stream: Stream): void {
  stream.endAsked = true;
  stream.localEnded = true;
  session.removeIfEnded(stream);
}
