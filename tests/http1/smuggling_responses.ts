/**
 * Responses that could make two parties disagree on where a message ends, each with its one right answer.
 *
 * @module
 */

import type { Row } from "./smuggling_requests.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const BROKEN = ["reset 1 1", "closed reset"] as const;

/** Whole responses to a GET. */
export const RESPONSES: readonly Row[] = [
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
