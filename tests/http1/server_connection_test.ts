import assert from "node:assert/strict";
import type { RequestHead } from "../../src/wire/http_handler.ts";
import { bytesOf, openServer, responseHead } from "./recorder.ts";

const GET = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a.example\r\n";
const UPGRADE = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

Deno.test("Http1ServerConnection answers a refused request with its status and reads no further", () => {
  for (const status of [400, 431, 501, 505]) {
    const input = {
      400: "GET / HTTP/1.1\r\n\r\n",
      431: `GET / HTTP/1.1\r\nX: ${"x".repeat(70000)}\r\n\r\n`,
      501: `${POST}Transfer-Encoding: br, chunked\r\n\r\n`,
      505: "GET / HTTP/3.0\r\n\r\n",
    }[status]!;
    const { server, recorder, output } = openServer(input);
    const text = output();
    assert.ok(text.startsWith(`HTTP/1.1 ${status} `), text);
    const [head, content] = text.split("\r\n\r\n");
    assert.ok(
      head!.endsWith("connection: close") && head!.includes(`content-length: ${content!.length}\r\n`),
    );
    assert.equal(recorder.error?.status, status);
    server.receive(bytesOf(GET), 0);
    server.receiveEnd(0);
    server.response(1, responseHead(200), true);
    assert.deepEqual([recorder.calls.length, server.hasOutput, server.wantsInput], [1, false, false]);
  }
});

Deno.test("Http1ServerConnection gives heads as sent but for Host, framing and case of names", () => {
  const { recorder } = openServer(
    "GET http://A.example/p?q HTTP/1.1\r\nX-Two:  b\xff \r\nHOST: a.example:80\r\nx-two:\r\nTE: trailers\r\n\r\n",
  );
  const head = recorder.heads[0] as RequestHead;
  assert.deepEqual([head.method, head.scheme, head.authority, head.path], [
    "GET",
    "http",
    "a.example:80",
    "/p?q",
  ]);
  assert.deepEqual(head.fields, ["x-two", "b\xff", "x-two", "", "te", "trailers"]);
  assert.equal("protocol" in head, false);
});

Deno.test("Http1ServerConnection sees an upgrade only where one can be", async (t) => {
  const rows: readonly [string, string | undefined][] = [
    [UPGRADE, "websocket"],
    [UPGRADE.replace("WebSocket", "h2c"), undefined],
    [UPGRADE.replace("WebSocket", "websocket, h2c"), undefined],
    [UPGRADE.replace("Connection: Upgrade\r\n", ""), undefined],
    [UPGRADE.replace("GET", "POST"), undefined],
    [UPGRADE.replace("1.1", "1.0"), undefined],
    [UPGRADE.replace("Host", "Content-Length: 3\r\nHost"), undefined],
  ];
  for (const [input, protocol] of rows) {
    await t.step(JSON.stringify(input), () => {
      assert.equal((openServer(input).recorder.heads[0] as RequestHead).protocol, protocol);
    });
  }
});

Deno.test("Http1ServerConnection drops Expect from HTTP/1.0 requests, which can't wait", () => {
  const { recorder } = openServer(
    "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
  );
  assert.deepEqual((recorder.heads[0] as RequestHead).fields, ["content-length", "1"]);
});

Deno.test("Http1ServerConnection aborts cleanly when the client leaves at any byte", () => {
  const input = `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n`;
  const headLength = input.indexOf("\r\n\r\n") + 4;
  for (let cut = 0; cut < input.length; cut++) {
    const { server, calls } = openServer(input.slice(0, cut));
    server.receiveEnd(0);
    const end = cut === 0
      ? ["closed"]
      : cut < headLength
      ? ["closed reset"]
      : ["reset 1 8 byPeer", "closed reset"];
    assert.deepEqual(calls.slice(-end.length), end, `cut at ${cut}`);
    assert.equal(calls.includes("end"), false);
  }
});

Deno.test("Http1ServerConnection wants no input while content is not credited", () => {
  const { server } = openServer(`${POST}Content-Length: 300\r\n\r\n${"x".repeat(99)}`, {
    bodyWindowBytes: 100,
  });
  assert.equal(server.wantsInput, true);
  server.receive(bytesOf("xx"), 0);
  assert.equal(server.wantsInput, false);
  server.credit(2, 100);
  assert.equal(server.wantsInput, false);
  server.credit(1, 2);
  assert.equal(server.wantsInput, true);
});

Deno.test("Http1ServerConnection wants input again when a stream ended without credit", () => {
  const { server } = openServer(`${POST}Content-Length: 100\r\n\r\n${"x".repeat(100)}`, {
    bodyWindowBytes: 100,
  });
  assert.equal(server.wantsInput, false);
  server.response(1, responseHead(200), true);
  assert.equal(server.wantsInput, true);
});

Deno.test("Http1ServerConnection keeps bytes in order that are fed inside a call", () => {
  const { server, calls, recorder } = openServer("");
  recorder.request = (id, head) => {
    if (id === 1) server.receive(bytesOf("/c HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    recorder.calls.push(head.path);
  };
  server.receive(bytesOf(`${GET}GET /b`), 0);
  server.response(1, responseHead(200), true);
  assert.deepEqual(calls, ["/", "/b/c"]);
});

Deno.test("Http1ServerConnection holds a bounded number of pipelined bytes", () => {
  const { server, calls } = openServer(GET, { maxHeldBytes: 1000 });
  server.receive(new Uint8Array(1000), 0);
  assert.equal(server.wantsInput, false);
  server.receive(new Uint8Array(15001), 0);
  assert.deepEqual(calls, ["request 1 GET / end", "reset 1 2", "closed reset"]);
});

Deno.test("Http1ServerConnection lets pipelined requests wait while output is not taken", () => {
  const { server, calls } = openServer(GET.repeat(3), { maxOutputBytes: 10 });
  server.response(1, responseHead(200), true);
  assert.equal(calls.length, 1);
  server.takeOutput();
  assert.deepEqual(calls.slice(1), ["request 2 GET / end"]);
});

Deno.test("Http1ServerConnection ends an idle connection at goAway, but not one inside a head", () => {
  const idle = openServer("");
  idle.server.goAway(0);
  assert.deepEqual(idle.calls, ["closed"]);
  const partial = openServer(GET.slice(0, 5));
  partial.server.goAway(0);
  assert.equal(partial.server.isHeadPartial, true);
  partial.server.receive(bytesOf(GET.slice(5)), 0);
  partial.server.response(1, responseHead(200), true);
  assert.deepEqual(partial.calls, ["request 1 GET / end", "closed"]);
});

Deno.test("Http1ServerConnection ends in good order when a complete early response meets reset(NO_ERROR)", () => {
  const { server, calls } = openServer(`${POST}Content-Length: 9\r\n\r\nabc`);
  server.response(1, responseHead(413), true);
  server.receive(bytesOf("def"), 0);
  server.reset(1, 0);
  assert.deepEqual(calls, ["request 1 POST /", "data abcdef", "closed"]);
});

Deno.test("Http1ServerConnection resets the connection when a stream is reset before its response is complete", () => {
  for (const begins of [false, true]) {
    const { server, calls } = openServer(GET);
    if (begins) server.response(1, responseHead(200), false);
    server.reset(1, 0);
    assert.deepEqual(calls, ["request 1 GET / end", "closed reset"]);
  }
});

Deno.test("Http1ServerConnection counts what was taken", () => {
  const { server, recorder } = openServer(GET);
  server.response(1, responseHead(200), false);
  server.data(1, bytesOf("abc"), false);
  server.data(1, bytesOf("de"), false);
  assert.deepEqual([server.pending(1), recorder.takenBytes], [5, 0]);
  server.takeOutput();
  assert.deepEqual([server.pending(1), recorder.takenBytes], [0, 5]);
});
