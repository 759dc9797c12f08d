/** Heads that one role writes are what the other reads, and a head that could be read otherwise is never written. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import { isConnectionField } from "../../src/wire/http_fields.ts";
import type { Fields } from "../../src/wire/http_handler.ts";
import { asked, openServer, Recorder, requestHead, responseHead, textOf } from "./recorder.ts";

const OWN_FIELDS = ["host", "te", "http2-settings", "content-length", "cookie", "expect"];

const name = fc.string({ unit: fc.constantFrom(..."abcxyz019!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 20 })
  .filter((text) => !isConnectionField(text) && !OWN_FIELDS.includes(text));

/** Every byte that a value may hold, obs-text included, without blanks at the ends. */
const value = fc.array(fc.integer({ min: 9, max: 255 }), { maxLength: 40 }).map((codes) => {
  const text = codes.filter((code) => code === 9 || (code >= 32 && code !== 127));
  return String.fromCharCode(...text).replace(/^[ \t]+|[ \t]+$/g, "");
});

const fields: fc.Arbitrary<Fields> = fc.array(fc.tuple(name, value), { maxLength: 8 }).map((all) =>
  all.flat()
);
const path = fc.string({ unit: fc.constantFrom(..."az09/?&=%.~:;@!$'()*+,[]{}|^\"<>\\"), maxLength: 30 });

Deno.test("a request head is read as it was written", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("GET", "get", "PURGE", "X!"),
      path,
      fc.constantFrom("a.example", "A.example:8443", "[::1]:80", "192.0.2.1"),
      fields,
      (method, rest, authority, fields) => {
        const head = requestHead({ method, path: `/${rest}`, authority, fields });
        const { sent } = asked(head);
        assert.deepEqual(openServer(sent).recorder.heads, [head]);
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("a response head is read as it was written", () => {
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), fields, (status, fields) => {
      const { server, output } = openServer("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
      const head = responseHead(status, fields);
      server.response(1, head, true);
      const recorder = new Recorder();
      const client = new Http1ClientConnection(recorder);
      client.request(requestHead({ method: "HEAD" }), true);
      client.takeOutput();
      client.receive(Uint8Array.from(output(), (char) => char.charCodeAt(0)), 0);
      assert.deepEqual(recorder.heads, [head]);
    }),
    { numRuns: 3000 },
  );
});

/** Any text, with the characters that could end a line or a name made likely. */
const hostile = fc.string({
  unit: fc.constantFrom(
    "\r",
    "\n",
    "\0",
    ":",
    " ",
    "\t",
    "a",
    "x: y",
    "\r\n",
    "\x7f",
    "\xe9",
    "\u010d",
    "\u{1f600}",
  ),
  maxLength: 5,
});

Deno.test("no text in a field makes another field of it", () => {
  fc.assert(
    fc.property(hostile, hostile, (name, value) => {
      const { sent } = asked({ fields: ["before", "1", name, value, "after", "2"] });
      if (sent === "") return;
      const lines = sent.split("\r\n");
      assert.equal(lines.length, 7, JSON.stringify(sent));
      assert.equal(lines[3], `${name}: ${value}`);
      assert.match(name, /^[a\xe9]+$/);
      assert.match(value, /^[\t\x20-\x7e\x80-\xff]*$/);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("no text in a request line makes another request of it", () => {
  fc.assert(
    fc.property(hostile, hostile, hostile, (method, path, authority) => {
      const { client } = asked({ method: "GET" });
      client.receive(Uint8Array.from("HTTP/1.1 204 N\r\n\r\n", (char) => char.charCodeAt(0)), 0);
      client.request(requestHead({ method, path, authority }), true);
      const sent = textOf(client.takeOutput());
      if (sent === "") return;
      assert.match(sent, /^a+ [a:]+ HTTP\/1\.1\r\nhost: [a:]*\r\n\r\n$/);
    }),
    { numRuns: 5000 },
  );
});
