/**
 * Mutated HTTP/1.1 streams against both roles: no exception, the same calls in any split, nothing after
 * `closed`, bounded memory and output.
 *
 * @module
 */

import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import { AnsweringServer, bytesOf, Recorder, requestHead } from "../http1/recorder.ts";
import { below, checkInput, cut, mutate, pick, type Random } from "./mutate.ts";

const REQUESTS: readonly string[] = [
  "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nCookie: a=b; c=d\r\nAccept: */*\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
  "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
  "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "OPTIONS * HTTP/1.0\r\nHost: a.example\r\nExpect: 100-continue\r\n\r\n",
  "HEAD / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close, x\r\nX: \xe9\t\xff\r\n\r\n",
];
const RESPONSES: readonly string[] = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.0 200\r\nX: \xe9\r\n\r\nuntil the end",
  "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00\xff",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nConnection: close\r\n\r\n",
];
const TOKENS: readonly string[] = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "0\r\n",
  "\r\n\r\n",
  "chunked",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Host: b\r\n",
  "ffffffff",
  "-1",
  "HTTP/1.1",
  "\x80",
  "\xff",
];
/** Small limits, so that a mutated stream meets them. */
const OPTIONS = { maxHeaderBytes: 300, maxHeaderFields: 8, maxHeldBytes: 1 << 20, maxInterimResponses: 2 };

/** Messages of that list in a row, with tokens put in or doubled and then the usual mutations. */
function mutated(messages: readonly string[], random: Random): Uint8Array {
  let text = "";
  for (let count = 1 + below(3, random); count > 0; count--) text += pick(messages, random);
  for (let count = below(3, random); count > 0; count--) {
    const at = below(text.length + 1, random);
    const times = pick([1, 1, 2, 60], random);
    text = text.slice(0, at) + pick(TOKENS, random).repeat(times) + text.slice(at);
  }
  return mutate([bytesOf(text)], random);
}

function asServer(pieces: readonly Uint8Array[]): Recorder {
  const server = new AnsweringServer(OPTIONS);
  for (const piece of pieces) server.connection.receive(piece, 0);
  server.connection.receiveEnd(0);
  const written = server.connection.takeOutput().length;
  if (written > 400 * (server.calls.length + 1)) throw new Error(`${written} bytes of output`);
  return server;
}

/** A client with one request; the answer's last calls tell how the connection ended. */
function asClient(pieces: readonly Uint8Array[], kind: number): Recorder {
  const recorder = new Recorder();
  // `ready` comes when a receive has ended, so its place depends on the split.
  recorder.ready = () => {};
  const client = new Http1ClientConnection(recorder, OPTIONS);
  const head = requestHead(kind === 1 ? { method: "HEAD" } : kind === 2 ? { protocol: "websocket" } : {});
  client.request(head, kind !== 2);
  client.takeOutput();
  for (const piece of pieces) client.receive(piece, 0);
  client.receiveEnd(0);
  return recorder;
}

function check(bytes: Uint8Array, whole: Recorder, parts: Recorder): void {
  const [one, other] = [whole.calls.join("\n"), parts.calls.join("\n")];
  if (one !== other) throw new Error(`a split changes the calls:\n${one}\n--\n${other}`);
  if (whole.contentBytes > bytes.length) throw new Error("more content than input");
}

/** Runs `count` inputs; throws on a finding, with the input in the message. */
export function fuzz(count: number, random: Random): void {
  for (let round = 0; round < count; round++) {
    const kind = below(5, random);
    const run = (pieces: readonly Uint8Array[]) => kind < 3 ? asClient(pieces, kind) : asServer(pieces);
    checkInput(mutated(kind < 3 ? RESPONSES : REQUESTS, random), (bytes) => {
      check(bytes, run([bytes]), run(cut(bytes, random)));
    });
  }
}
