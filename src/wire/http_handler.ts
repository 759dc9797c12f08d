/**
 * The shape that both HTTP versions share: what a codec tells its owner ({@linkcode HttpHandler}) and what the
 * owner tells a codec ({@linkcode HttpConnection}). The field rules that hold in either version stand in
 * `http_fields.ts`.
 *
 * A codec owns no socket, timer, clock or promise. It is fed bytes and the time, calls the handler during
 * `receive`, and fills one output buffer that the owner takes and writes. The owner couples any codec with
 * any other: a stream here is a stream there.
 *
 * @module
 */

/** What a TLS client offers to speak HTTP/2 or HTTP/1.1 (ALPN, RFC 7301 §6), in the order of our preference. */
export const HTTP_PROTOCOLS: readonly string[] = ["h2", "http/1.1"];

/**
 * Header or trailer fields, flat: name, value, name, value, … Names are lower case. Order and repetition are
 * the sender's. Flat because a request costs one array instead of one object a field.
 */
export type Fields = readonly string[];

/** A request's control data and header section, the same for either version. */
export interface RequestHead {
  /** Method, as sent (case-sensitive, RFC 9110 §9.1). */
  readonly method: string;
  /** `https` or `http`; empty for HTTP/1.1 (which doesn't carry it) and for a CONNECT without `:protocol`. */
  readonly scheme: string;
  /** Authority as sent: `:authority`, or `Host` in HTTP/1.1 and in HTTP/2 without `:authority`. */
  readonly authority: string;
  /** Origin-form target with query, or `*`; empty for CONNECT without `:protocol`. Never normalised. */
  readonly path: string;
  /** `:protocol` of extended CONNECT (RFC 8441), or the `Upgrade` token of an HTTP/1.1 upgrade request; else absent. */
  readonly protocol?: string;
  /** All other fields; `host` is not among them. */
  readonly fields: Fields;
  /** Names of fields that came never-indexed (RFC 7541 §6.2.3) and must leave so; usually the shared empty set. */
  readonly neverIndexed: ReadonlySet<string>;
}

/** A response's status and header section. Status 100–199 but 101 is interim: another response follows. */
export interface ResponseHead {
  /** 100–999. */
  readonly status: number;
  /** All fields. */
  readonly fields: Fields;
  /** As in {@linkcode RequestHead}. */
  readonly neverIndexed: ReadonlySet<string>;
}

/** Error codes of RFC 9113 §7, used for resets and ends in either version. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/** The set that heads carry when no field came never-indexed. */
export const NEVER_INDEXED_NONE: ReadonlySet<string> = new Set<string>();

/**
 * What a codec tells its owner. All calls happen inside `receive`, `receiveEnd`, `tick`, or a call of the
 * owner's that made them true. No call may throw. A stream's calls come in the order
 * request|response, data*, trailers?, and `end` or `reset` is the last.
 */
export interface HttpHandler {
  /** Server role: a whole, valid request head. `end`: no content and no trailers follow. */
  request(streamId: number, head: RequestHead, end: boolean): void;
  /**
   * Server role: the codec answers a request itself that the owner must never see: 400, 431, 501, 505. In HTTP/2 with the
   * head that is given back, which is all of the answer; absent = the codec's own. `fields`: what was read of the
   * request's before it was refused; none in HTTP/1.1.
   */
  refused?(status: number, fields: Fields): ResponseHead | undefined;
  /** Client role: a whole, valid response head, interim ones included. */
  response(streamId: number, head: ResponseHead, end: boolean): void;
  /**
   * Content. `bytes` is a view that is valid only during the call. `flowBytes` ≥ bytes.length is what the
   * owner must give back with `credit` once the bytes were taken (padding is counted in HTTP/2).
   */
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void;
  /** The trailer section; it ends the message. */
  trailers(streamId: number, fields: Fields): void;
  /**
   * The stream was ended abnormally: by the peer (`byPeer`) or by the codec because of what the peer sent.
   * Nothing more comes for it. `code` is an RFC 9113 §7 error code (HTTP/1.1 codecs map to the same).
   * `safeToRetry`: the peer has certainly not processed it (REFUSED_STREAM, above GOAWAY's last id,
   * or no byte of it left).
   */
  reset(streamId: number, code: number, byPeer: boolean, safeToRetry: boolean): void;
  /** `bytes` of content that the owner gave with `data` have moved into the output (free to credit the source). */
  taken(streamId: number, bytes: number): void;
  /** The peer will not answer (client role) or start (server role) streams above `lastStreamId`. */
  goAway(lastStreamId: number, code: number): void;
  /** Client role: what `request` may do has changed (first SETTINGS, stream limit, stream ended, extended CONNECT). */
  ready(): void;
  /** The connection is over: write the remaining output, then close. `error` absent: it ended in good order. */
  closed(error?: HttpError): void;
}

/** Why a codec ended a connection. */
export interface HttpError {
  /** RFC 9113 §7 error code. */
  readonly code: number;
  /** HTTP/1.1 server role: the status that the codec has already put into the output (400, 431, 501, …). */
  readonly status?: number;
  /** Set when a flood limit was passed: the kind, as in the metric `mcproxy_flood_total{kind}`. */
  readonly flood?: string;
  /** One sentence for the log; contains no byte of the peer's. */
  readonly detail: string;
}

/** What an owner may ask of a codec in either role. Calls for an unknown or ended stream do nothing. */
export interface HttpConnection {
  /** Feeds bytes. They may be overwritten after the call. */
  receive(bytes: Uint8Array, nowMs: number): void;
  /** The peer has finished sending (FIN or close_notify). */
  receiveEnd(nowMs: number): void;
  /** Whether `takeOutput` would return bytes. */
  readonly hasOutput: boolean;
  /** Takes what is to be written, as much as is written at once; the array belongs to the caller. More may be left. */
  takeOutput(): Uint8Array;
  /**
   * What the last `takeOutput` gave isn't needed any more, so its memory may be written to again. Whoever doesn't call
   * this keeps the array for good; whoever does calls it before the next `takeOutput`.
   */
  giveBack(output: Uint8Array): void;
  /** Client role: starts a request, or returns `undefined` when no stream is free (limit, GOAWAY, busy HTTP/1.1). */
  request(head: RequestHead, end: boolean): number | undefined;
  /** Server role: answers; an interim head may be followed by others. */
  response(streamId: number, head: ResponseHead, end: boolean): void;
  /** Sends content. What the peer's windows don't allow yet is copied and kept, at most what the source's window allows. */
  data(streamId: number, bytes: Uint8Array, end: boolean): void;
  /** Sends the trailer section, which ends the message. Where the version can't carry trailers they are dropped. */
  trailers(streamId: number, fields: Fields): void;
  /** Ends a stream abnormally; never looks like a complete message to the peer. */
  reset(streamId: number, code: number): void;
  /**
   * Bytes given by `data` of the handler were taken by the other side: the peer may send as many again. Owed
   * for every byte, also when the stream has ended since: what the owner holds counts against the windows that
   * other streams can get. What is held of a stream that the owner itself resets counts as taken.
   *
   * @param growthMax by how much the window may grow at most; default: as the codec's own limit allows
   * @returns by how much it has grown; always 0 in HTTP/1.1, whose windows are fixed
   */
  credit(streamId: number, flowBytes: number, growthMax?: number): number;
  /** Content given to the handler and not yet credited, in bytes. */
  readonly heldBytes: number;
  /** Bytes of content accepted by `data` and not yet moved to the output, for one stream. */
  pending(streamId: number): number;
  /** Graceful end: first step announces, second step (call again) fixes the last stream. Open streams go on. */
  goAway(code: number): void;
  /** Streams open now. */
  readonly openStreams: number;
  /** Client role: whether `request` would get a stream now. */
  readonly canRequest: boolean;
  /**
   * Whether the owner shall read from its socket; look again after each call made here. Always true in HTTP/2,
   * whose windows stop the peer.
   */
  readonly wantsInput: boolean;
  /**
   * Whether a FIN shall follow the output although the connection goes on until `closed`: the end of a tunnel.
   * Always false in HTTP/2, which ends streams.
   */
  readonly outputEnded: boolean;
}
