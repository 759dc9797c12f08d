/** The table of inputs that could make two parties disagree on where a message ends, each with its one right answer. */

import assert from "node:assert/strict";
import { ask, bytesOf, serve } from "./recorder.ts";

/** `input` after a valid request head's start, and what the server's owner is told. */
type Row = readonly [name: string, input: string, ...calls: string[]];

const GET = "GET / HTTP/1.1\r\nHost: a.example\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a.example\r\n";
const REFUSED = "closed 400";
const NEXT = "GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n";
const SERVED_NEXT = "request 2 GET /next end";

const REQUESTS: readonly Row[] = [
  ["a plain request", `${GET}\r\n`, "request 1 GET / end"],
  ["CL then TE", `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`, REFUSED],
  ["TE then CL", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n`, REFUSED],
  ["TE with CL 0", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n`, REFUSED],
  ["two different CL", `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, REFUSED],
  ["two equal CL", `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, REFUSED],
  ["a list of CL", `${POST}Content-Length: 3, 3\r\n\r\nabc`, REFUSED],
  ["CL with sign", `${POST}Content-Length: +3\r\n\r\nabc`, REFUSED],
  ["negative CL", `${POST}Content-Length: -1\r\n\r\n`, REFUSED],
  ["hexadecimal CL", `${POST}Content-Length: 0x3\r\n\r\nabc`, REFUSED],
  ["CL with a fraction", `${POST}Content-Length: 3.0\r\n\r\nabc`, REFUSED],
  ["CL with an exponent", `${POST}Content-Length: 3e0\r\n\r\nabc`, REFUSED],
  ["CL with inner space", `${POST}Content-Length: 1 0\r\n\r\n`, REFUSED],
  ["empty CL", `${POST}Content-Length:\r\n\r\n`, REFUSED],
  ["CL above 2^53", `${POST}Content-Length: 9007199254740993\r\n\r\n`, REFUSED],
  ["CL that wraps at 2^64", `${POST}Content-Length: 18446744073709551619\r\n\r\nabc`, REFUSED],
  ["CL with a superscript digit", `${POST}Content-Length: \xb2\r\n\r\nab`, REFUSED],
  [
    "CL and a request behind it",
    `${POST}Content-Length: 3\r\n\r\nabc${NEXT}`,
    "request 1 POST /",
    "data abc",
    "end",
    SERVED_NEXT,
  ],
  ["unknown coding before chunked", `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, "closed 501"],
  [
    "unknown coding in its own field",
    `${POST}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`,
    "closed 501",
  ],
  ["chunked not last", `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`, REFUSED],
  ["chunked twice", `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, REFUSED],
  [
    "chunked in two fields",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
    REFUSED,
  ],
  [
    "chunked then identity",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n`,
    REFUSED,
  ],
  ["identity", `${POST}Transfer-Encoding: identity\r\n\r\n`, REFUSED],
  ["no chunked", `${POST}Transfer-Encoding: gzip\r\n\r\n`, REFUSED],
  ["xchunked", `${POST}Transfer-Encoding: xchunked\r\n\r\n`, REFUSED],
  ["chunked with a parameter", `${POST}Transfer-Encoding: chunked;q=1\r\n\r\n`, REFUSED],
  ["quoted chunked", `${POST}Transfer-Encoding: "chunked"\r\n\r\n`, REFUSED],
  ["empty TE", `${POST}Transfer-Encoding:\r\n\r\n`, REFUSED],
  ["chunked after an empty element", `${POST}Transfer-Encoding: , chunked\r\n\r\n`, REFUSED],
  ["chunked before an empty element", `${POST}Transfer-Encoding: chunked,\r\n\r\n`, REFUSED],
  ["TE with vertical tab", `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n`, REFUSED],
  ["TE with a no-break space", `${POST}Transfer-Encoding: \xa0chunked\r\n\r\n`, REFUSED],
  ["TE in capitals", `${POST}TRANSFER-ENCODING:\tCHUNKED \r\n\r\n0\r\n\r\n`, "request 1 POST /", "end"],
  ["TE with a space before the colon", `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, REFUSED],
  ["TE with a tab before the colon", `${POST}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`, REFUSED],
  ["TE on a folded line", `${POST}X: y\r\n Transfer-Encoding: chunked\r\n\r\n`, REFUSED],
  ["a value on a folded line", `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n`, REFUSED],
  ["a folded first line", "GET / HTTP/1.1\r\n Host: a.example\r\n\r\n", REFUSED],
  [
    "TE in HTTP/1.0",
    "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    REFUSED,
  ],
  ["bare LF after the request line", "GET / HTTP/1.1\nHost: a.example\r\n\r\n", REFUSED],
  ["bare LF after a field", "GET / HTTP/1.1\r\nHost: a.example\n\r\n", REFUSED],
  ["bare LF as the empty line", `${GET}\n`, REFUSED],
  ["bare CR in a value", `${GET}X: a\rTransfer-Encoding: chunked\r\n\r\n`, REFUSED],
  ["CR CR LF", "GET / HTTP/1.1\r\r\nHost: a.example\r\n\r\n", REFUSED],
  ["NUL in a value", `${GET}X: a\0b\r\n\r\n`, REFUSED],
  ["NUL in a name", `${GET}X\0: a\r\n\r\n`, REFUSED],
  ["DEL in a value", `${GET}X: a\x7f\r\n\r\n`, REFUSED],
  ["a name that is no token", `${GET}X(y): a\r\n\r\n`, REFUSED],
  ["a name with obs-text", `${GET}X\xe9: a\r\n\r\n`, REFUSED],
  ["an empty name", `${GET}: a\r\n\r\n`, REFUSED],
  ["a line without colon", `${GET}X\r\n\r\n`, REFUSED],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", REFUSED],
  ["no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", REFUSED],
  ["two Host", `${GET}Host: b.example\r\n\r\n`, REFUSED],
  ["two equal Host", `${GET}Host: a.example\r\n\r\n`, REFUSED],
  ["empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", REFUSED],
  ["Host with a path", "GET / HTTP/1.1\r\nHost: a.example/b\r\n\r\n", REFUSED],
  ["Host with user information", "GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n", REFUSED],
  ["Host as a list", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", REFUSED],
  [
    "absolute form with Host's authority",
    "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "request 1 GET /x end",
  ],
  [
    "absolute form with another authority",
    "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    REFUSED,
  ],
  [
    "absolute form with another port",
    "GET http://a.example:81/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    REFUSED,
  ],
  [
    "absolute form with user information",
    "GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    REFUSED,
  ],
  ["absolute form without Host", "GET http://a.example/ HTTP/1.1\r\n\r\n", REFUSED],
  ["another scheme", "GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a target with a fragment", "GET /#x HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a target with a space", "GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a target with a tab", "GET /a\tb HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a target with obs-text", "GET /\xe9 HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a target that is a word", "GET a HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["two spaces after the method", "GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["two spaces before the version", "GET /  HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a space before the method", " GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a space after the version", "GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n", REFUSED],
  ["tabs instead of spaces", "GET\t/\tHTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["a method that is no token", "G@T / HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["asterisk form for GET", "GET * HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["asterisk form for OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", "request 1 OPTIONS * end"],
  ["no version", "GET /\r\nHost: a.example\r\n\r\n", REFUSED],
  ["version in small letters", "GET / http/1.1\r\nHost: a.example\r\n\r\n", REFUSED],
  ["version 1.2", "GET / HTTP/1.2\r\nHost: a.example\r\n\r\n", REFUSED],
  ["version 1.10", "GET / HTTP/1.10\r\nHost: a.example\r\n\r\n", REFUSED],
  ["version 2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "closed 505"],
  ["version 0.9", "GET / HTTP/0.9\r\nHost: a.example\r\n\r\n", "closed 505"],
  ["one empty line before", `\r\n${GET}\r\n`, "request 1 GET / end"],
  ["two empty lines before", `\r\n\r\n${GET}\r\n`, REFUSED],
  ["a bare LF before", `\n${GET}\r\n`, REFUSED],
  [
    "CONNECT with Host's authority",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    "request 1 CONNECT a.example:443 end",
    "closed",
  ],
  ["CONNECT with another Host", "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", REFUSED],
  [
    "CONNECT with content",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nContent-Length: 1\r\n\r\nx",
    REFUSED,
  ],
  [
    "CONNECT and bytes behind it",
    `CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n${NEXT}`,
    "request 1 CONNECT a.example:443 end",
    "closed",
  ],
  [
    "GET with content",
    `${GET}Content-Length: 3\r\n\r\nGET${NEXT}`,
    "request 1 GET /",
    "data GET",
    "end",
    SERVED_NEXT,
  ],
  [
    "Connection: close and a request behind it",
    `${GET}Connection: x, Close\r\n\r\n${NEXT}`,
    "request 1 GET / end",
    "closed",
  ],
  [
    "HTTP/1.0 and a request behind it",
    `GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n${NEXT}`,
    "request 1 GET / end",
    "closed",
  ],
];

const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
const BEGUN = "request 1 POST /";

const CHUNKS: readonly Row[] = [
  ["a chunk and a request behind it", `3\r\nabc\r\n0\r\n\r\n${NEXT}`, BEGUN, "data abc", "end", SERVED_NEXT],
  [
    "leading zeros and capitals",
    `00A\r\n0123456789\r\n000\r\n\r\n${NEXT}`,
    BEGUN,
    "data 0123456789",
    "end",
    SERVED_NEXT,
  ],
  ["an extension", `3;a=b; c="d"\r\nabc\r\n0;x\r\n\r\n`, BEGUN, "data abc", "end"],
  ["blanks before an extension", "3 \t;a\r\nabc\r\n0\r\n\r\n", BEGUN, "data abc", "end"],
  ["blanks without an extension", "3 \r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["a blank before the size", " 3\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["bare LF after the size", "3\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["bare CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["NUL in an extension", "3;a\0\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["bare CR after the size", "3\rabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["no size", "\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["a negative size", "-3\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["a size with an underscore", "1_0\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["a size above 2^53", "20000000000001\r\nabc", BEGUN, "reset 1 1", REFUSED],
  ["a size that wraps at 2^64", "10000000000000003\r\nabc\r\n0\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["data shorter than its size", "4\r\nabc\r\n0\r\n\r\n", BEGUN, "data abc\r", "reset 1 1", REFUSED],
  ["data longer than its size", "2\r\nabc\r\n0\r\n\r\n", BEGUN, "data ab", "reset 1 1", REFUSED],
  ["bare LF after the data", "3\r\nabc\n0\r\n\r\n", BEGUN, "data abc", "reset 1 1", REFUSED],
  [
    "two bytes that are not CRLF after the data",
    "3\r\nabcXX0\r\n\r\n",
    BEGUN,
    "data abc",
    "reset 1 1",
    REFUSED,
  ],
  ["trailers", "0\r\nX-Sum: 1\r\n\r\n", BEGUN, "trailers x-sum,1"],
  [
    "trailers that may not be",
    `0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n${NEXT}`,
    BEGUN,
    "end",
    SERVED_NEXT,
  ],
  ["a malformed trailer", "0\r\nX : 1\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["a folded trailer", "0\r\nX: 1\r\n 2\r\n\r\n", BEGUN, "reset 1 1", REFUSED],
  ["bare LF after the last chunk", "0\r\n\n", BEGUN, "reset 1 1", REFUSED],
];

const OK = "HTTP/1.1 200 OK\r\n";
const BROKEN = ["reset 1 1", "closed reset"] as const;

const RESPONSES: readonly Row[] = [
  ["a plain response", `${OK}Content-Length: 2\r\n\r\nok`, "response 1 200", "data ok", "end", "ready"],
  ["no reason phrase", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "response 1 200 end", "ready"],
  ["CL with TE", `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, ...BROKEN],
  ["two CL", `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`, ...BROKEN],
  ["two equal CL", `${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`, ...BROKEN],
  ["a list of CL", `${OK}Content-Length: 2, 2\r\n\r\nok`, ...BROKEN],
  ["a signed CL", `${OK}Content-Length: +2\r\n\r\nok`, ...BROKEN],
  ["an unknown coding", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`, ...BROKEN],
  ["chunked not last", `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n`, ...BROKEN],
  ["TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ...BROKEN],
  ["bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", ...BROKEN],
  ["a folded field", `${OK}X: a\r\n b\r\n\r\n`, ...BROKEN],
  ["a space before the colon", `${OK}Content-Length : 0\r\n\r\n`, ...BROKEN],
  ["NUL", `${OK}X: \0\r\n\r\n`, ...BROKEN],
  ["an empty line before", `\r\n${OK}Content-Length: 0\r\n\r\n`, ...BROKEN],
  ["HTTP/0.9", "hello\r\n\r\n", ...BROKEN],
  ["version 2.0", "HTTP/2.0 200 OK\r\n\r\n", ...BROKEN],
  ["version 1.2", "HTTP/1.2 200 OK\r\n\r\n", ...BROKEN],
  ["two digits", "HTTP/1.1 20 OK\r\n\r\n", ...BROKEN],
  ["four digits", "HTTP/1.1 2000 OK\r\n\r\n", ...BROKEN],
  ["status 099", "HTTP/1.1 099 Low\r\n\r\n", ...BROKEN],
  ["status 600", "HTTP/1.1 600 High\r\n\r\n", ...BROKEN],
  ["a letter in the status", "HTTP/1.1 2O0 OK\r\n\r\n", ...BROKEN],
  ["two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", ...BROKEN],
  ["204 with TE", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ...BROKEN],
  ["204 with a length", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", ...BROKEN],
  ["204 with length 0", "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "response 1 204 end", "ready"],
  ["304 with a length", "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", "response 1 304 end", "ready"],
  ["100 with a length", `HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello${OK}`, ...BROKEN],
  [
    "101 that nobody asked for",
    "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ...BROKEN,
  ],
  [
    "interim, then final",
    `HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    "response 1 103",
    "response 1 200 end",
    "ready",
  ],
  [
    "a second response behind the first",
    `${OK}Content-Length: 0\r\n\r\n${OK}Content-Length: 6\r\n\r\nstolen`,
    "response 1 200 end",
    "closed reset",
  ],
  [
    "bytes behind the content",
    `${OK}Content-Length: 2\r\n\r\nok!`,
    "response 1 200",
    "data ok",
    "end",
    "closed reset",
  ],
  [
    "a broken chunk",
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nokXX`,
    "response 1 200",
    "data ok",
    ...BROKEN,
  ],
  [
    "chunked with trailers",
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n`,
    "response 1 200",
    "data ok",
    "trailers a,b",
    "ready",
  ],
];

Deno.test("Http1ServerConnection gives the one right answer to requests that could smuggle", async (t) => {
  assert.ok(REQUESTS.length + CHUNKS.length >= 60);
  for (const [name, input, ...calls] of REQUESTS) {
    await t.step(name, () => assert.deepEqual(serve([bytesOf(input)]), calls));
  }
});

Deno.test("Http1ServerConnection gives the one right answer to chunks that could smuggle", async (t) => {
  for (const [name, input, ...calls] of CHUNKS) {
    await t.step(name, () => assert.deepEqual(serve([bytesOf(CHUNKED + input)]), calls));
  }
});

Deno.test("Http1ClientConnection holds responses to the same rules", async (t) => {
  for (const [name, input, ...calls] of RESPONSES) {
    await t.step(name, () => assert.deepEqual(ask([bytesOf(input)]), calls));
  }
});

Deno.test("every smuggling input gives the same calls however it is split", () => {
  for (
    const [name, input, ...calls] of [
      ...REQUESTS,
      ...CHUNKS.map(([n, i, ...c]) => [n, CHUNKED + i, ...c] as Row),
    ]
  ) {
    const bytes = bytesOf(input);
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(serve([bytes.slice(0, at), bytes.slice(at)]), calls, `${name} split at ${at}`);
    }
    assert.deepEqual(serve(Array.from(bytes, (byte) => Uint8Array.of(byte))), calls, `${name} byte by byte`);
  }
  for (const [name, input, ...calls] of RESPONSES) {
    const bytes = bytesOf(input);
    if (input.includes("stolen") || input.endsWith("ok!")) continue;
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(ask([bytes.slice(0, at), bytes.slice(at)]), calls, `${name} split at ${at}`);
    }
  }
});
