import assert from "node:assert/strict";
import type { RequestHead } from "../../src/wire/http_handler.ts";
import { asked, bytesOf, requestHead, textOf } from "./recorder.ts";

const UPGRADE = { protocol: "websocket", fields: ["sec-websocket-key", "k"] };
const SWITCH = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
const NO_BYTES = new Uint8Array(0);

type Received = readonly [
  name: string,
  head: Partial<RequestHead>,
  input: string,
  end: boolean,
  calls: string,
];

const RESPONSES: readonly Received[] = [
  [
    "until the connection ends",
    {},
    "HTTP/1.1 200 OK\r\n\r\nabc",
    true,
    "response 1 200; data abc; end; closed",
  ],
  ["until the connection ends, HTTP/1.0", {}, "HTTP/1.0 200 OK\r\n\r\n", true, "response 1 200; end; closed"],
  [
    "HTTP/1.0 with a length",
    {},
    "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
    false,
    "response 1 200; data a; end; closed",
  ],
  [
    "Connection: close",
    {},
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    false,
    "response 1 200 end; closed",
  ],
  [
    "HEAD",
    { method: "HEAD" },
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    false,
    "response 1 200 end; ready",
  ],
  ["HEAD without length", { method: "HEAD" }, "HTTP/1.1 200 OK\r\n\r\n", false, "response 1 200 end; ready"],
  [
    "HEAD with chunked",
    { method: "HEAD" },
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    false,
    "response 1 200 end; ready",
  ],
  [
    "cut inside a declared length",
    {},
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    true,
    "response 1 200; data abc; reset 1 2 byPeer; closed reset",
  ],
  [
    "cut inside chunks",
    {},
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    true,
    "response 1 200; data abc; reset 1 2 byPeer; closed reset",
  ],
  [
    "cut inside trailers",
    {},
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
    true,
    "response 1 200; reset 1 2 byPeer; closed reset",
  ],
  ["cut inside a head", {}, "HTTP/1.1 200 O", true, "reset 1 2 byPeer; closed reset"],
  ["cut before a head", {}, "", true, "reset 1 2 byPeer; closed reset"],
  [
    "ten interim responses",
    {},
    `${"HTTP/1.1 102 P\r\n\r\n".repeat(10)}HTTP/1.1 204 N\r\n\r\n`,
    false,
    `${"response 1 102; ".repeat(10)}response 1 204 end; ready`,
  ],
  [
    "eleven interim responses",
    {},
    "HTTP/1.1 102 P\r\n\r\n".repeat(11),
    false,
    `${"response 1 102; ".repeat(10)}reset 1 1; closed reset`,
  ],
  ["upgrade", UPGRADE, `${SWITCH}ab\r\n`, true, "response 1 101; data ab\r\n; end"],
  [
    "upgrade to something else",
    UPGRADE,
    SWITCH.replace("WebSocket", "h2c"),
    false,
    "reset 1 1; closed reset",
  ],
  [
    "upgrade without Connection",
    UPGRADE,
    SWITCH.replace("Connection", "X"),
    false,
    "reset 1 1; closed reset",
  ],
  ["upgrade in HTTP/1.0", UPGRADE, SWITCH.replace("1.1", "1.0"), false, "reset 1 1; closed reset"],
  [
    "upgrade refused",
    UPGRADE,
    "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
    false,
    "response 1 403; data no; end; ready",
  ],
  [
    "a head that is too large",
    {},
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70000)}`,
    false,
    "reset 1 1; closed reset",
  ],
];

Deno.test("Http1ClientConnection reads each kind of response", async (t) => {
  for (const [name, head, input, end, calls] of RESPONSES) {
    await t.step(name, () => {
      const { client, recorder } = asked(head);
      client.receive(bytesOf(input), 0);
      if (end) client.receiveEnd(0);
      assert.equal(recorder.calls.join("; "), calls);
    });
  }
});

Deno.test("Http1ClientConnection carries a tunnel both ways, with what was sent before the 101", () => {
  const { client, recorder } = asked(UPGRADE);
  const early = bytesOf("early");
  client.data(1, early, false);
  early.fill(0);
  assert.deepEqual([client.hasOutput, client.pending(1)], [false, 5]);
  client.receive(bytesOf(`${SWITCH}hi`), 0);
  assert.equal(textOf(client.takeOutput()), "early");
  client.data(1, bytesOf("x"), true);
  assert.equal(textOf(client.takeOutput()), "x");
  assert.equal(client.outputEnded, true);
  client.receive(bytesOf("rest"), 0);
  client.receiveEnd(0);
  assert.deepEqual(recorder.calls, ["response 1 101", "data hirest", "end", "closed"]);
  assert.equal(recorder.takenBytes, 6);
});

Deno.test("Http1ClientConnection holds what comes before the 101 in about as many bytes as it has", () => {
  const { client } = asked(UPGRADE);
  const crumb = bytesOf("x");
  const before = Deno.memoryUsage();
  for (let count = 0; count < 200_000; count++) client.data(1, crumb, false);
  const after = Deno.memoryUsage();
  const grown = after.heapUsed + after.external - before.heapUsed - before.external;
  assert.equal(client.pending(1), 200_000);
  assert.ok(grown < 10_000_000, `${grown} bytes`);
  client.receive(bytesOf(SWITCH), 0);
  assert.equal(client.takeOutput().length, 200_000);
});

Deno.test("Http1ClientConnection drops what was sent before a refused upgrade", () => {
  const { client, recorder } = asked(UPGRADE);
  client.data(1, bytesOf("early"), true);
  client.receive(bytesOf("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), 0);
  assert.deepEqual([recorder.takenBytes, client.hasOutput, client.canRequest], [5, false, true]);
});

Deno.test("Http1ClientConnection says safeToRetry only when nothing of the request was taken", () => {
  const { client, recorder } = asked();
  client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  client.request(requestHead(), true);
  assert.equal(client.hasResponseBytes, false);
  client.receiveEnd(0);
  assert.deepEqual(recorder.calls.slice(2), ["reset 2 2 byPeer safe", "closed reset"]);
  assert.equal(client.hasOutput, false);
});

Deno.test("Http1ClientConnection takes no response for a request that has not left", () => {
  const { client, recorder } = asked();
  client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  client.request(requestHead(), true);
  client.receive(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"), 0);
  assert.deepEqual(recorder.calls.slice(2), ["reset 2 1 safe", "closed reset"]);
});

Deno.test("Http1ClientConnection starts no request inside a call, where input may be left", () => {
  const { client, recorder } = asked();
  client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  client.request(requestHead({ method: "POST" }), false);
  client.takeOutput();
  let inside: number | undefined = 0;
  recorder.response = () => {
    client.data(2, NO_BYTES, true);
    inside = client.request(requestHead(), true);
  };
  client.receive(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0);
  assert.equal(inside, undefined);
  assert.equal(client.request(requestHead(), true), 3);
});

Deno.test("Http1ClientConnection closes when bytes come while it is idle, and in good order at FIN", () => {
  const noisy = asked();
  noisy.client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  noisy.client.receive(bytesOf("HTTP/1.1 408 T\r\n\r\n"), 0);
  assert.deepEqual(noisy.recorder.calls.slice(2), ["closed reset"]);
  const quiet = asked();
  quiet.client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  quiet.client.receiveEnd(0);
  assert.deepEqual(quiet.recorder.calls.slice(2), ["closed"]);
  assert.equal(quiet.client.canRequest, false);
});

Deno.test("Http1ClientConnection never ends an aborted request as if it were whole", () => {
  for (const fields of [[], ["content-length", "9"]]) {
    const { client, recorder } = asked({ method: "GET" });
    client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
    client.request(requestHead({ method: "POST", fields }), false);
    client.data(2, bytesOf("abc"), false);
    client.reset(2, 8);
    assert.equal(client.hasOutput, false);
    assert.deepEqual(recorder.calls.slice(2), ["closed reset"]);
    assert.equal(recorder.error?.code, 8);
  }
});

Deno.test("Http1ClientConnection resets a request whose content is not as declared", () => {
  for (const content of ["ab", "abcd"]) {
    const { client, recorder } = asked();
    client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
    client.request(requestHead({ method: "POST", fields: ["content-length", "3"] }), false);
    client.takeOutput();
    client.data(2, bytesOf(content), true);
    assert.deepEqual(recorder.calls.slice(2), ["reset 2 2", "closed reset"]);
  }
});

Deno.test("Http1ClientConnection goes on sending after an early response and is reusable afterwards", () => {
  const { client, recorder } = asked();
  client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  client.request(requestHead({ method: "POST" }), false);
  client.takeOutput();
  client.receive(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0);
  assert.equal(client.canRequest, false);
  client.data(2, bytesOf("abc"), false);
  client.data(2, NO_BYTES, true);
  assert.equal(textOf(client.takeOutput()), "3\r\nabc\r\n0\r\n\r\n");
  assert.deepEqual(recorder.calls.slice(2), ["response 2 200 end", "ready"]);
  assert.equal(client.canRequest, true);
});

Deno.test("Http1ClientConnection ends after the open request at goAway", () => {
  const { client, recorder } = asked();
  client.goAway(0);
  assert.equal(recorder.isClosed, false);
  client.receive(bytesOf("HTTP/1.1 204 N\r\n\r\n"), 0);
  assert.deepEqual(recorder.calls, ["response 1 204 end", "closed"]);
});
