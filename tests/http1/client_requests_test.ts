/** What Http1ClientConnection writes for each kind of request. */

import assert from "node:assert/strict";
import type { RequestHead } from "../../src/wire/http_handler.ts";
import { asked, bytesOf, requestHead, textOf } from "./recorder.ts";

const UPGRADE = { protocol: "websocket", fields: ["sec-websocket-key", "k"] };

type Written = readonly [name: string, head: Partial<RequestHead>, end: boolean, output: string | undefined];

const REQUESTS: readonly Written[] = [
  [
    "GET",
    { path: "/a?b", fields: ["accept", "*/*"] },
    true,
    "GET /a?b HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n",
  ],
  [
    "POST without content",
    { method: "POST" },
    true,
    "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n",
  ],
  [
    "POST of declared length",
    { method: "POST", fields: ["content-length", "3"] },
    false,
    "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 3\r\n\r\n",
  ],
  [
    "POST of unknown length",
    { method: "POST" },
    false,
    "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n",
  ],
  ["OPTIONS *", { method: "OPTIONS", path: "*" }, true, "OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n"],
  [
    "cookie crumbs",
    { fields: ["cookie", "a=1", "x", "y", "cookie", "b=2"] },
    true,
    "GET / HTTP/1.1\r\nhost: a.example\r\ncookie: a=1; b=2\r\nx: y\r\n\r\n",
  ],
  [
    "te: trailers",
    { fields: ["te", "trailers"] },
    true,
    "GET / HTTP/1.1\r\nhost: a.example\r\nte: trailers\r\nconnection: te\r\n\r\n",
  ],
  ["another te", { fields: ["te", "gzip"] }, true, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"],
  [
    "fields of the owner's that are ours",
    {
      fields: [
        "host",
        "b",
        "connection",
        "close",
        "transfer-encoding",
        "chunked",
        "upgrade",
        "h2c",
        "http2-settings",
        "x",
      ],
    },
    true,
    "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n",
  ],
  [
    "upgrade",
    UPGRADE,
    false,
    "GET / HTTP/1.1\r\nhost: a.example\r\nsec-websocket-key: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
  ],
  [
    "extended CONNECT",
    { method: "CONNECT", protocol: "websocket" },
    false,
    "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
  ],
  ["CONNECT", { method: "CONNECT", path: "" }, true, undefined],
  ["a path with a space", { path: "/a b" }, true, undefined],
  ["a path with CR LF", { path: "/ HTTP/1.1\r\nx: y" }, true, undefined],
  ["an authority with LF", { authority: "a\nb" }, true, undefined],
  ["a method with a space", { method: "G T" }, true, undefined],
  ["a value with LF", { fields: ["x", "a\nb"] }, true, undefined],
  ["an empty name", { fields: ["", "a"] }, true, undefined],
  ["a length without content", { fields: ["content-length", "3"] }, true, undefined],
  [
    "two lengths",
    { method: "POST", fields: ["content-length", "3", "content-length", "3"] },
    false,
    undefined,
  ],
];

Deno.test("Http1ClientConnection writes each kind of request", async (t) => {
  for (const [name, head, end, output] of REQUESTS) {
    await t.step(name, () => {
      const { client } = asked({});
      client.receive(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0);
      assert.equal(client.request(requestHead(head), end), output === undefined ? undefined : 2);
      assert.equal(textOf(client.takeOutput()), output ?? "");
      assert.equal(client.canRequest, output === undefined);
    });
  }
});
