/**
 * WebSocket between HTTP versions: the handshake of HTTP/1.1 (RFC 6455 §4) on one side, extended CONNECT
 * (RFC 8441) on the other, or the same on both. A tunnel begins with a valid answer and not before.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { fieldValue } from "../wire/http_fields.ts";
import type { RequestHead, ResponseHead } from "../wire/http_handler.ts";
import type { ForwardingFacts } from "./forwarding_rules.ts";

/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES = 16;

/** One request for a WebSocket. */
export class Upgrade {
  /** The head as the backend's version says it. */
  readonly request: RequestHead;
  /** The answer was valid: bytes pass as they are. */
  isOpen = false;
  readonly #facts: ForwardingFacts;
  /** The key whose proof an HTTP/1.1 side gets or gives. */
  readonly #key: string;

  private constructor(request: RequestHead, facts: ForwardingFacts, key: string) {
    this.request = request;
    this.#facts = facts;
    this.#key = key;
  }

  /** Reads what is asked for. @returns the upgrade that `outbound` asks for; absent = an HTTP/1.1 client brings no valid key */
  static of(outbound: RequestHead, facts: ForwardingFacts): Upgrade | undefined {
    const isToHttp2 = facts.backendVersion === "h2";
    if (facts.clientVersion === "h2") {
      if (isToHttp2) return new Upgrade(outbound, facts, "");
      const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toBase64();
      // In front: the last field stays x-request-id, where requestIdOf() finds it for the log.
      const fields = ["sec-websocket-key", key, ...without(outbound.fields, "sec-websocket-key")];
      return new Upgrade({ ...outbound, method: "GET", fields }, facts, key);
    }
    const key = fieldValue(outbound.fields, "sec-websocket-key");
    if (key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key)) return undefined;
    if (!isToHttp2) return new Upgrade(outbound, facts, key);
    const fields = without(outbound.fields, "sec-websocket-key");
    return new Upgrade({ ...outbound, method: "CONNECT", fields }, facts, key);
  }

  /** Judges the answer. @returns the response as the client's version says it; absent = the backend's answer can't be believed */
  response(head: ResponseHead): ResponseHead | undefined {
    const { clientVersion, backendVersion } = this.#facts;
    const isAccepted = backendVersion === "h2"
      ? head.status >= 200 && head.status < 300
      : head.status === 101;
    if (!isAccepted) {
      // To the client of an extended CONNECT any 2xx would be a tunnel.
      return clientVersion === "h2" && head.status < 300 ? undefined : head;
    }
    let { fields } = head;
    if (backendVersion === "http/1.1") {
      if (fieldValue(fields, "sec-websocket-accept") !== acceptOf(this.#key)) return undefined;
      if (clientVersion === "h2") fields = without(fields, "sec-websocket-accept");
    } else {
      fields = without(fields, "content-length");
      if (clientVersion === "http/1.1") {
        fields = [...without(fields, "sec-websocket-accept"), "sec-websocket-accept", acceptOf(this.#key)];
      }
    }
    this.isOpen = true;
    return { status: clientVersion === "h2" ? 200 : 101, fields, neverIndexed: head.neverIndexed };
  }
}

/** The proof that a key was read (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(key + ACCEPT_SUFFIX).digest("base64");
}

function without(fields: readonly string[], name: string): string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== name) kept.push(fields[index]!, fields[index + 1]!);
  }
  return kept;
}
