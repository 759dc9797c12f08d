/**
 * What every test of PROXY protocol headers checks.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import type { ProxyHeader, ProxyHeaderFault } from "../../src/wire/proxy_protocol_header.ts";
import { concat, latin1 } from "./client_hello_builder.ts";

/** A fault, the whole header when it names the command, or else those of its fields that the test is about. */
export type ExpectedProxyHeader = ProxyHeaderFault | "need_more" | Partial<ProxyHeader>;

/** The addresses that the tests' headers declare. */
export const DECLARED_IPV4: Partial<ProxyHeader> = {
  source: { host: "192.0.2.1", port: 5_000 },
  destination: { host: "192.0.2.2", port: 443 },
};
/** The same over IPv6. */
export const DECLARED_IPV6: Partial<ProxyHeader> = {
  source: { host: "2001:db8::1", port: 5_000 },
  destination: { host: "2001:db8::2", port: 443 },
};

/** Checks the outcome, also with the client's bytes behind it, and that every proper prefix of a header needs more. */
export function checkProxyHeader(bytes: Uint8Array, expected: ExpectedProxyHeader): void {
  const outcome = parseProxyHeader(bytes);
  if (expected === "need_more") assert.deepEqual(outcome, { kind: "need_more" });
  else if (typeof expected === "string") {
    assert.deepEqual(outcome, { kind: "invalid", reason: "proxy_header_invalid", detail: expected });
  } else {
    assert(outcome.kind === "header", JSON.stringify(outcome));
    const others = expected.command === undefined ? outcome.header : {};
    assert.deepEqual(outcome.header, { ...others, ...expected });
    assert.equal(outcome.consumed, bytes.length);
    assert.deepEqual(parseProxyHeader(concat(bytes, latin1("\x16\x03\x01\n\r\n"))), outcome);
    for (let length = 0; length < bytes.length; length++) {
      assert.deepEqual(parseProxyHeader(bytes.subarray(0, length)), { kind: "need_more" });
    }
  }
}

/** Checks that a header with any one byte changed gives an outcome, and never one that doesn't fit the bytes. */
export function checkOneByteChanges(bytes: Uint8Array): void {
  const changed = bytes.slice();
  for (let at = 0; at < bytes.length; at++) {
    for (let change = 1; change < 256; change++) {
      changed[at] = bytes[at]! ^ change;
      const outcome = parseProxyHeader(changed);
      if (outcome.kind === "header") {
        assert(outcome.consumed <= changed.length);
        assert.equal(outcome.header.source === undefined, outcome.header.destination === undefined);
      } else assert(outcome.kind === "invalid" || outcome.kind === "need_more");
    }
    changed[at] = bytes[at]!;
  }
}
