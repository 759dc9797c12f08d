import assert from "node:assert/strict";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import { latin1 } from "./client_hello_builder.ts";
import { checkProxyHeader, type ExpectedProxyHeader } from "./proxy_protocol_check.ts";

const BEGINNINGS: readonly [text: string, expected: ExpectedProxyHeader][] = [
  ["", "need_more"],
  ["P", "need_more"],
  ["PROXY", "need_more"],
  ["PROXY ", "need_more"],
  ["\r\n\r\n\0", "need_more"],
  ["\r\n\r\n\0\r\nQUIT\n", "need_more"],
  ["PROXI", "no_signature"],
  ["PROXY\t", "no_signature"],
  ["POST / HTTP/1.1\r\n", "no_signature"],
  ["\r\n\r\nX", "no_signature"],
  ["\r\n\r\n\0\r\nQUIT\r", "no_signature"],
  ["\x16\x03\x01\x02\x00\x01", "no_signature"],
];

Deno.test("parseProxyHeader() tells both versions from anything else as early as it can", async (t) => {
  for (const [text, expected] of BEGINNINGS) {
    await t.step(JSON.stringify(text), () => checkProxyHeader(latin1(text), expected));
  }
});

Deno.test("parseProxyHeader() takes longer headers when its limit says so", () => {
  const bytes = new Uint8Array(16 + 65_535);
  bytes.set(latin1("\r\n\r\n\0\r\nQUIT\n\x21\0\xff\xff"));
  assert.equal(parseProxyHeader(bytes, { headerBytesMax: 65_551 }).kind, "header");
  assert.equal(parseProxyHeader(bytes).kind, "invalid");
});
