/** What Http1ServerConnection writes for each kind of answer, and what its owner is told. */

import assert from "node:assert/strict";
import type { Http1ServerConnection } from "../../src/http1/server_connection.ts";
import { bytesOf, openServer, responseHead } from "./recorder.ts";

const GET = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a.example\r\n";
const HTTP10 = "GET / HTTP/1.0\r\nHost: a.example\r\n\r\n";
const HEAD = "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const UPGRADE = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
const NO_BYTES = new Uint8Array(0);

/** What is written for an answer to `input`. */
function answer(
  input: string,
  act: (server: Http1ServerConnection) => void,
): [output: string, calls: string] {
  const { server, calls, output } = openServer(input);
  act(server);
  return [output(), calls.slice(1).join("; ")];
}

type Answer = readonly [
  name: string,
  input: string,
  act: (server: Http1ServerConnection) => void,
  output: string,
  calls: string,
];

const ANSWERS: readonly Answer[] = [
  [
    "no content",
    GET,
    (s) => s.response(1, responseHead(200), true),
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "",
  ],
  [
    "unknown length",
    GET,
    (s) => {
      s.response(1, responseHead(200), false);
      s.data(1, bytesOf("hello world, hello"), false);
      s.data(1, NO_BYTES, true);
    },
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n12\r\nhello world, hello\r\n0\r\n\r\n",
    "",
  ],
  [
    "declared length",
    GET,
    (s) => {
      s.response(1, responseHead(200, ["content-length", "2", "x", "\xe9"]), false);
      s.data(1, bytesOf("ok"), true);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: \xe9\r\n\r\nok",
    "",
  ],
  [
    "trailers",
    GET,
    (s) => {
      s.response(1, responseHead(200), false);
      s.trailers(1, ["grpc-status", "0", "host", "b"]);
    },
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ngrpc-status: 0\r\n\r\n",
    "",
  ],
  [
    "trailers behind a declared length",
    GET,
    (s) => {
      s.response(1, responseHead(200, ["content-length", "0"]), false);
      s.trailers(1, ["x", "y"]);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "",
  ],
  [
    "HTTP/1.0, unknown length",
    HTTP10,
    (s) => {
      s.response(1, responseHead(103), false);
      s.response(1, responseHead(200), false);
      s.data(1, bytesOf("ok"), true);
    },
    "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
    "closed",
  ],
  [
    "HEAD",
    HEAD,
    (s) => {
      s.response(1, responseHead(200, ["content-length", "9"]), false);
      s.data(1, bytesOf("forbidden"), true);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
    "",
  ],
  [
    "204",
    GET,
    (s) => s.response(1, responseHead(204, ["content-length", "0"]), true),
    "HTTP/1.1 204 No Content\r\n\r\n",
    "",
  ],
  [
    "304",
    GET,
    (s) => s.response(1, responseHead(304, ["content-length", "7"]), true),
    "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
    "",
  ],
  [
    "a status without phrase",
    GET,
    (s) => s.response(1, responseHead(599), true),
    "HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n",
    "",
  ],
  [
    "connection fields of the owner's",
    GET,
    (s) => {
      s.response(
        1,
        responseHead(200, ["connection", "x", "transfer-encoding", "gzip", "keep-alive", "1", "a", "b"]),
        true,
      );
    },
    "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 0\r\n\r\n",
    "",
  ],
  [
    "interim responses",
    GET,
    (s) => {
      s.response(1, responseHead(100, ["content-length", "0"]), false);
      s.response(1, responseHead(103, ["link", "x"]), false);
      s.response(1, responseHead(200), true);
    },
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "",
  ],
  [
    "less than declared",
    GET,
    (s) => {
      s.response(1, responseHead(200, ["content-length", "3"]), false);
      s.data(1, bytesOf("ok"), true);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
    "reset 1 2; closed reset",
  ],
  [
    "more than declared",
    GET,
    (s) => {
      s.response(1, responseHead(200, ["content-length", "1"]), false);
      s.data(1, bytesOf("ok"), true);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n",
    "reset 1 2; closed reset",
  ],
  [
    "CR LF in a value",
    GET,
    (s) => s.response(1, responseHead(200, ["x", "a\r\nb: c"]), true),
    "",
    "reset 1 2; closed reset",
  ],
  [
    "a value beyond Latin-1",
    GET,
    (s) => s.response(1, responseHead(200, ["x", "\u010a"]), true),
    "",
    "reset 1 2; closed reset",
  ],
  [
    "a name that is no token",
    GET,
    (s) => s.response(1, responseHead(200, ["x:", "a"]), true),
    "",
    "reset 1 2; closed reset",
  ],
  [
    "101 that was not asked for",
    GET,
    (s) => s.response(1, responseHead(101), false),
    "",
    "reset 1 2; closed reset",
  ],
  [
    "abort of chunked content",
    GET,
    (s) => {
      s.response(1, responseHead(200), false);
      s.data(1, bytesOf("ok"), false);
      s.reset(1, 2);
    },
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    "closed reset",
  ],
  [
    "drain",
    GET,
    (s) => {
      s.goAway(0);
      s.response(1, responseHead(200), true);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "closed",
  ],
  [
    "half-close of the client",
    GET,
    (s) => {
      s.receiveEnd(0);
      s.response(1, responseHead(200), true);
    },
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "closed",
  ],
  [
    "final response instead of 100",
    `${POST}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
    (s) => {
      s.response(1, responseHead(417), true);
    },
    "HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "reset 1 0; closed",
  ],
  [
    "final response after 100",
    `${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
    (s) => {
      s.response(1, responseHead(100), false);
      s.response(1, responseHead(200), true);
      s.receive(bytesOf(`ok${GET}`), 0);
    },
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "data ok; end; request 2 GET / end",
  ],
  [
    "upgrade",
    `${UPGRADE}early`,
    (s) => {
      s.response(1, responseHead(101, ["sec-websocket-accept", "x", "upgrade", "websocket"]), false);
      s.data(1, bytesOf("\x00\r\n"), false);
      s.receive(bytesOf("late"), 0);
      s.data(1, NO_BYTES, true);
      assert.equal(s.outputEnded, true);
      s.receiveEnd(0);
    },
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n\x00\r\n",
    "data earlylate; end; closed",
  ],
  [
    "upgrade refused",
    `${UPGRADE}${GET}`,
    (s) => {
      s.response(1, responseHead(403), true);
    },
    "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
    "end; request 2 GET / end",
  ],
];

Deno.test("Http1ServerConnection writes each kind of answer", async (t) => {
  for (const [name, input, act, output, calls] of ANSWERS) {
    await t.step(name, () => assert.deepEqual(answer(input, act), [output, calls]));
  }
});
