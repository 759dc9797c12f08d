/**
 * SETTINGS (RFC 9113 §6.5): what the peer asks of us, and what we announce.
 *
 * @module
 */

import { ErrorCode } from "../wire/http_handler.ts";
import { INITIAL_WINDOW_BYTES, MAX_31_BITS, MAX_FRAME_BYTES, readUint16, readUint32 } from "./frames.ts";
import type { ResolvedOptions } from "./options.ts";

/** Identifiers of settings (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1). */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  ENABLE_CONNECT_PROTOCOL: 0x8,
  NO_RFC7540_PRIORITIES: 0x9,
} as const;

/** Why a SETTINGS payload is refused, as a connection error. */
export interface SettingsFault {
  /** RFC 9113 §7 error code. */
  readonly code: number;
  /** One sentence for the log. */
  readonly detail: string;
}

/** The peer's settings as they stand. */
export class PeerSettings {
  /** The largest HPACK table that the peer keeps for us. */
  headerTableBytes = 4_096;
  /** The smallest that it was while the last SETTINGS were applied (RFC 7541 §4.2). */
  lowestHeaderTableBytes = 4_096;
  /** Streams that we may have open; Infinity until the peer says. */
  maxConcurrentStreams: number = Infinity;
  /** Window of each stream that we open from now on. */
  initialWindowBytes: number = INITIAL_WINDOW_BYTES;
  /** Whether the peer takes extended CONNECT (RFC 8441). */
  enableConnectProtocol = false;

  /** Applies a payload whose length is a multiple of six; the last value of a setting counts. */
  apply(payload: Uint8Array, from: number, to: number, fromServer: boolean): SettingsFault | undefined {
    this.lowestHeaderTableBytes = this.headerTableBytes;
    for (let at = from; at + 6 <= to; at += 6) {
      const fault = this.#applyOne(readUint16(payload, at), readUint32(payload, at + 2), fromServer);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #applyOne(id: number, value: number, fromServer: boolean): SettingsFault | undefined {
    const wrong = (detail: string) => ({ code: ErrorCode.PROTOCOL_ERROR, detail });
    if (id === Setting.HEADER_TABLE_SIZE) {
      this.headerTableBytes = value;
      this.lowestHeaderTableBytes = Math.min(this.lowestHeaderTableBytes, value);
    } else if (id === Setting.ENABLE_PUSH) {
      if (value > 1 || (fromServer && value === 1)) return wrong("ENABLE_PUSH that is not allowed");
    } else if (id === Setting.MAX_CONCURRENT_STREAMS) this.maxConcurrentStreams = value;
    else if (id === Setting.INITIAL_WINDOW_SIZE) {
      if (value > MAX_31_BITS) {
        return { code: ErrorCode.FLOW_CONTROL_ERROR, detail: "initial window over 2^31-1" };
      }
      this.initialWindowBytes = value;
    } else if (id === Setting.MAX_FRAME_SIZE) {
      if (value < MAX_FRAME_BYTES || value > 0xff_ffff) return wrong("MAX_FRAME_SIZE out of range");
    } else if (id === Setting.ENABLE_CONNECT_PROTOCOL) {
      if (value > 1 || (value === 0 && this.enableConnectProtocol)) {
        return wrong("ENABLE_CONNECT_PROTOCOL taken back");
      }
      this.enableConnectProtocol = value === 1;
    } else if (id === Setting.NO_RFC7540_PRIORITIES) {
      if (value > 1) return wrong("NO_RFC7540_PRIORITIES over 1");
    }
    return undefined;
  }
}

/** The payload that we announce, once, at the beginning of the connection. */
export function ownSettings(options: ResolvedOptions, initialWindowBytes: number): Uint8Array {
  const pairs: [number, number][] = [
    [Setting.HEADER_TABLE_SIZE, options.headerTableBytes],
    [Setting.INITIAL_WINDOW_SIZE, initialWindowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, options.maxHeaderBytes],
  ];
  if (options.role === "client") pairs.push([Setting.ENABLE_PUSH, 0]);
  else {
    pairs.push([Setting.MAX_CONCURRENT_STREAMS, options.maxConcurrentStreams]);
    pairs.push([Setting.NO_RFC7540_PRIORITIES, 1]);
    if (options.enableConnectProtocol) pairs.push([Setting.ENABLE_CONNECT_PROTOCOL, 1]);
  }
  const payload = new Uint8Array(pairs.length * 6);
  pairs.forEach(([id, value], index) => {
    const view = new DataView(payload.buffer, index * 6, 6);
    view.setUint16(0, id);
    view.setUint32(2, value);
  });
  return payload;
}
