/**
 * What a request and a response cost in HTTP/1.1, with ten fields each, and what content costs.
 *
 * Run with `deno bench tests/bench/http1_bench.ts`. Each answer is checked before it is timed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import { Http1ServerConnection } from "../../src/http1/server_connection.ts";
import {
  type HttpHandler,
  NEVER_INDEXED_NONE,
  type RequestHead,
  type ResponseHead,
} from "../../src/wire/http_handler.ts";

const REQUEST = bytesOf([
  "GET /api/v1/projects/42/items?limit=50&sort=desc HTTP/1.1",
  "Host: git.example.org",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
  "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Referer: https://git.example.org/projects/42",
  "Cookie: session=0123456789abcdef0123456789abcdef0123456789abcdef; theme=dark; locale=en_GB",
  "Cache-Control: no-cache",
  "X-Request-ID: 7b0c9d5e-6f0b-4c38-9a55-0c3a4f1c5a11",
  "Connection: keep-alive",
  "",
  "",
]);

const RESPONSE = bytesOf([
  "HTTP/1.1 200 OK",
  "Server: nginx",
  "Date: Sun, 22 Nov 2026 15:00:00 GMT",
  "Content-Type: application/json; charset=utf-8",
  "Content-Length: 13",
  "Cache-Control: max-age=0, private, must-revalidate",
  'ETag: W/"0123456789abcdef0123456789abcdef"',
  "Set-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; Secure; HttpOnly; SameSite=Lax",
  "Strict-Transport-Security: max-age=63072000",
  "X-Content-Type-Options: nosniff",
  "Vary: Accept, Cookie",
  "",
  '{"ok":"true"}',
]);

function bytesOf(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.join("\r\n"));
}

/** A handler that keeps the last head and nothing else. */
class Sink implements HttpHandler {
  head: RequestHead | ResponseHead | undefined;
  streamId = 0;
  isEnded = false;
  contentBytes = 0;

  request(streamId: number, head: RequestHead, end: boolean): void {
    this.streamId = streamId;
    this.head = head;
    this.isEnded = end;
  }
  response(_streamId: number, head: ResponseHead, end: boolean): void {
    this.head = head;
    this.isEnded = end;
  }
  data(_streamId: number, bytes: Uint8Array, _flowBytes: number, end: boolean): void {
    this.contentBytes += bytes.length;
    this.isEnded = end;
  }
  trailers(): void {}
  reset(): void {
    throw new Error("reset");
  }
  taken(): void {}
  goAway(): void {}
  ready(): void {}
  closed(): void {
    throw new Error("closed");
  }
}

const serverSink = new Sink();
const server = new Http1ServerConnection(serverSink);
const clientSink = new Sink();
const client = new Http1ClientConnection(clientSink);
const NOTHING_FOUND: ResponseHead = { status: 404, fields: [], neverIndexed: NEVER_INDEXED_NONE };

/** The server reads a request and answers it with the shortest head. */
function readRequest(): RequestHead {
  server.receive(REQUEST, 0);
  const head = serverSink.head as RequestHead;
  server.response(serverSink.streamId, NOTHING_FOUND, true);
  server.takeOutput();
  return head;
}

/** The client writes a request with ten fields and reads a response with ten. */
function askAndRead(head: RequestHead): number {
  client.request(head, true);
  const bytes = client.takeOutput().length;
  client.receive(RESPONSE, 0);
  return bytes;
}

/** A proxy's whole work for one request: read it, write it, read the response, write it. */
function relay(): Uint8Array {
  server.receive(REQUEST, 0);
  client.request(serverSink.head as RequestHead, true);
  client.takeOutput();
  client.receive(RESPONSE, 0);
  server.response(serverSink.streamId, clientSink.head as ResponseHead, false);
  server.data(serverSink.streamId, RESPONSE.subarray(RESPONSE.length - 13), true);
  return server.takeOutput();
}

const requestHead = readRequest();
assert.equal(requestHead.authority, "git.example.org");
assert.equal(requestHead.fields.length, 18);
assert.equal(requestHead.fields[11]?.length, 82);
assert.equal(askAndRead(requestHead), REQUEST.length - "Connection: keep-alive\r\n".length);
assert.ok(clientSink.isEnded && clientSink.contentBytes === 13);
assert.equal(relay().length, RESPONSE.length);

const CHUNK = new Uint8Array(16384).fill(120);
const CHUNKED_POST = bytesOf(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "", ""]);
const FRAMED_CHUNK = Uint8Array.of(...bytesOf(["4000", ""]), ...CHUNK, 13, 10);
const uploadSink = new Sink();
const upload = new Http1ServerConnection(uploadSink);
upload.receive(CHUNKED_POST, 0);
upload.receive(FRAMED_CHUNK, 0);
assert.equal(uploadSink.contentBytes, 16384);

const download = new Http1ServerConnection(new Sink());
download.receive(REQUEST, 0);
download.response(1, { ...NOTHING_FOUND, status: 200 }, false);
download.takeOutput();
download.data(1, CHUNK, false);
assert.equal(download.takeOutput().length, FRAMED_CHUNK.length);

Deno.bench("server: read a request of ten fields, write a bare response", () => {
  readRequest();
});

Deno.bench("client: write a request of nine fields, read a response of ten", () => {
  askAndRead(requestHead);
});

Deno.bench("relay: read and write both, ten fields each", () => {
  relay();
});

Deno.bench("read 16 KiB in a chunk", () => {
  upload.receive(FRAMED_CHUNK, 0);
});

Deno.bench("write 16 KiB as a chunk", () => {
  download.data(1, CHUNK, false);
  download.takeOutput();
});
