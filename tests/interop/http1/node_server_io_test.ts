/** Node's `http` as the server of our client: lengths, chunks, trailers, Expect, interim responses, upgrade, keep-alive. */

import assert from "node:assert/strict";
import { Http1ClientConnection } from "../../../src/http1/client_connection.ts";
import type { RequestHead } from "../../../src/wire/http_handler.ts";
import { bytesOf, Recorder, requestHead } from "../../http1/recorder.ts";
import { pump } from "./socket_owner.ts";

const SCRIPT = `
const http = require("node:http");
const server = http.createServer((request, response) => {
  let text = "";
  request.on("data", (bytes) => text += bytes.toString("latin1"));
  request.on("end", () => {
    const seen = [request.method, request.url, request.headers.host, text, request.trailers["x-sum"] ?? ""].join("|");
    if (request.url === "/hints") response.writeEarlyHints({ link: "</x>" });
    if (request.url === "/empty") return response.writeHead(204).end();
    if (request.url === "/long") return response.end("x".repeat(300000));
    if (request.url === "/length") return response.writeHead(200, { "Content-Length": seen.length }).end(seen);
    if (request.url === "/close") return response.writeHead(200, { Connection: "close" }).end(seen);
    if (request.url === "/cut") { response.writeHead(200, { "Content-Length": 9 }); response.write("abc"); return setImmediate(() => response.destroy()); }
    response.write(seen);
    response.addTrailers({ "X-Length": seen.length });
    response.end();
  });
});
server.on("upgrade", (request, socket, head) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n");
  socket.write(head);
  socket.pipe(socket);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
`;

/** A Node server in a child process; ends when disposed. */
async function startNode(): Promise<{ port: number } & AsyncDisposable> {
  const child = new Deno.Command("node", { args: ["-e", SCRIPT], stdin: "piped", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    port: Number(new TextDecoder().decode(value)),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

/** Sends one request and waits until it has ended; returns what the handler was told meanwhile. */
async function ask(
  socket: Deno.Conn,
  client: Http1ClientConnection,
  recorder: Recorder,
  head: Partial<RequestHead>,
  send?: (id: number) => void,
): Promise<string> {
  const before = recorder.calls.length;
  const id = client.request(requestHead({ authority: "node.example", ...head }), send === undefined);
  assert.ok(id !== undefined);
  send?.(id);
  await pump(socket, client, () => client.canRequest || recorder.isClosed);
  return recorder.calls.slice(before).join("; ").replace(`response ${id}`, "response");
}

Deno.test("Http1ClientConnection gets right answers from a Node http server", async () => {
  await using node = await startNode();
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: node.port });
  const recorder = new Recorder();
  const client = new Http1ClientConnection(recorder, { bodyWindowBytes: 1 << 30 });
  const get = (path: string) => ask(socket, client, recorder, { path });
  assert.equal(await get("/length"), "response 200; data GET|/length|node.example||; end; ready");
  assert.equal(
    await get("/chunks"),
    "response 200; data GET|/chunks|node.example||; trailers x-length,26; ready",
  );
  assert.equal(await get("/empty"), "response 204 end; ready");
  assert.match(await get("/hints"), /^response 103; response \d+ 200; data /);
  assert.equal((await get("/long")).length, "response 200; data ; end; ready".length + 300000);
  const head = await ask(socket, client, recorder, { method: "HEAD", path: "/length" });
  assert.equal(head, "response 200 end; ready");
  const post = { method: "POST", path: "/length", fields: ["te", "trailers"] };
  const chunked = await ask(socket, client, recorder, post, (id) => {
    client.data(id, bytesOf("ab"), false);
    client.data(id, bytesOf("cd"), false);
    client.trailers(id, ["x-sum", "4"]);
  });
  assert.equal(chunked, "response 200; data POST|/length|node.example|abcd|4; end; ready");
  const put = { method: "PUT", path: "/length", fields: ["content-length", "2", "expect", "100-continue"] };
  const waited = await ask(socket, client, recorder, put, (id) => client.data(id, bytesOf("ok"), true));
  assert.match(
    waited,
    /^response 100; response \d+ 200; data PUT\|\/length\|node.example\|ok\|; end; ready$/,
  );
  assert.equal(await get("/close"), "response 200; data GET|/close|node.example||; end; closed");
});

Deno.test("Http1ClientConnection reports a response that a Node http server cuts", async () => {
  await using node = await startNode();
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: node.port });
  const recorder = new Recorder();
  const client = new Http1ClientConnection(recorder);
  const calls = await ask(socket, client, recorder, { path: "/cut" });
  assert.equal(calls, "response 200; data abc; reset 1 2 byPeer; closed reset");
});

Deno.test("Http1ClientConnection tunnels through a Node http server's upgrade", async () => {
  await using node = await startNode();
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: node.port });
  const recorder = new Recorder();
  const client = new Http1ClientConnection(recorder);
  const calls = await ask(socket, client, recorder, { protocol: "websocket" }, (id) => {
    client.data(id, bytesOf("\x00raw\r\n"), false);
    client.data(id, new Uint8Array(0), true);
  });
  assert.equal(calls, "response 101; data \x00raw\r\n; end; closed");
});
