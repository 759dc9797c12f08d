/**
 * Limits of an HTTP/1.1 connection.
 *
 * @module
 */

/** Limits of one connection; an absent one is the default. Zero is no special value: it means zero. */
export interface Http1Options {
  /**
   * Most bytes of a head, of a trailer section, and of the chunk extensions of one message, line ends included.
   * @default {65536}
   */
  readonly maxHeaderBytes?: number;
  /** Most field lines of a head and of a trailer section. @default {128} */
  readonly maxHeaderFields?: number;
  /** Bytes of content given to the handler and not yet credited at which `wantsInput` turns false. @default {262144} */
  readonly bodyWindowBytes?: number;
  /** Server role: bytes behind the current request that are kept, at which `wantsInput` turns false. @default {65536} */
  readonly maxHeldBytes?: number;
  /** Server role: output at which a pipelined request waits until the output has been taken. @default {65536} */
  readonly maxOutputBytes?: number;
  /** Most interim responses (1xx but 101) per request: more break a backend, and are not relayed to a client. @default {10} */
  readonly maxInterimResponses?: number;
}

/** All limits, none absent. */
export type Http1Limits = Required<Http1Options>;

/** `options` with the defaults filled in. */
export function http1Limits(options: Http1Options = {}): Http1Limits {
  return {
    maxHeaderBytes: options.maxHeaderBytes ?? 65536,
    maxHeaderFields: options.maxHeaderFields ?? 128,
    bodyWindowBytes: options.bodyWindowBytes ?? 262144,
    maxHeldBytes: options.maxHeldBytes ?? 65536,
    maxOutputBytes: options.maxOutputBytes ?? 65536,
    maxInterimResponses: options.maxInterimResponses ?? 10,
  };
}
