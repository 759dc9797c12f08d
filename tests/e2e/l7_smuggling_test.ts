/**
 * Goal: no request can hide in another one: what the program and a backend could read differently is refused, and a
 * backend that believes everything never runs what is hidden there.
 * Method: the real program before a deliberately lenient backend and one of HTTP/2; each attack is also made on the
 * lenient backend directly, to show that it would work. After each, an honest client gets its own answer.
 *
 * @module
 */

import assert from "node:assert/strict";
import { GET, POST } from "../http2/raw_peer.ts";
import { latin1 } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { exchange } from "../support/raw_client.ts";
import { L7Peer, RawPeer } from "./l7_peer.ts";
import { NAME_OF, openScene, VERSIONS } from "./l7_scene.ts";
import { lenientBackend } from "./lenient_backend.ts";
import { answerOf, rawRequest } from "./raw_http2.ts";

const HIDDEN = "GET /hidden HTTP/1.1\r\nHost: h1.test\r\n\r\n";
const POST_HEAD = "POST /open HTTP/1.1\r\nHost: h1.test\r\n";
const GET_HEAD = "GET /open HTTP/1.1\r\nHost: h1.test\r\n";
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** What a client of HTTP/1.1 sends; all of it is refused with 400 or 501, and the connection ends. */
const HTTP1_ATTACKS: readonly (readonly [name: string, sent: string])[] = [
  [
    "CL.TE",
    `${POST_HEAD}Content-Length: ${
      5 + HIDDEN.length
    }\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ["TE.CL", `${POST_HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["two lengths", `${POST_HEAD}Content-Length: ${HIDDEN.length}\r\nContent-Length: 0\r\n\r\n${HIDDEN}`],
  ["a list of lengths", `${POST_HEAD}Content-Length: 0, ${HIDDEN.length}\r\n\r\n${HIDDEN}`],
  ["a length with a sign", `${POST_HEAD}Content-Length: +0\r\n\r\n${HIDDEN}`],
  [
    "TE with a blank before the colon",
    `${POST_HEAD}Content-Length: ${
      5 + HIDDEN.length
    }\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  [
    "TE on a folded line",
    `${POST_HEAD}Content-Length: ${
      5 + HIDDEN.length
    }\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  [
    "xchunked",
    `${POST_HEAD}Content-Length: ${
      5 + HIDDEN.length
    }\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  [
    "TE with a vertical tab",
    `${POST_HEAD}Content-Length: ${
      5 + HIDDEN.length
    }\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ["chunked not last", `${POST_HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  [
    "TE in HTTP/1.0",
    `POST /open HTTP/1.0\r\nHost: h1.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ["bare LF after a field", `${GET_HEAD}X: y\n\n${HIDDEN}`],
  ["bare LF in the chunk's line", `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n0\n\r\n${HIDDEN}`],
  ["bare CR in a value", `${GET_HEAD}X: y\rContent-Length: 0\r\r\n\r\n${HIDDEN}`],
  ["NUL in a value", `${GET_HEAD}X: y\0\r\n\r\n${HIDDEN}`],
  ["a folded value", `${GET_HEAD}X: y\r\n\tz\r\n\r\n${HIDDEN}`],
  [
    "a chunk size that overflows",
    `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ["a chunk size with a sign", `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n${HIDDEN}`],
  [
    "a blank in the target",
    `GET /open HTTP/1.1\r\nHost: h1.test\r\n\r\nGET /hidden x HTTP/1.1\r\nHost: h1.test\r\n\r\n`,
  ],
  ["two Host fields", `GET /hidden HTTP/1.1\r\nHost: h1.test\r\nHost: h2c.test\r\n\r\n`],
  ["another authority in the target", `GET https://other.test/hidden HTTP/1.1\r\nHost: h1.test\r\n\r\n`],
];

/** Requests that are odd but good: they are served, and nothing else is. */
const HTTP1_GOOD: readonly (readonly [name: string, sent: string])[] = [
  ["a request inside the content", `${POST_HEAD}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`],
  ["a request inside a chunk", `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk(HIDDEN)}0\r\n\r\n`],
  [
    "a request inside a chunk's extension",
    `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n2;a="GET /hidden"\r\nok\r\n0\r\n\r\n`,
  ],
  [
    "Connection names Content-Length",
    `${POST_HEAD}Connection: Content-Length\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ],
  [
    "Connection names Transfer-Encoding",
    `${POST_HEAD}Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n${
      chunk(HIDDEN)
    }0\r\n\r\n`,
  ],
  [
    "an underscore where a hyphen belongs",
    `${POST_HEAD}Content_Length: 0\r\nTransfer_Encoding: chunked\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ],
  [
    "a request inside a refused upgrade",
    `${POST_HEAD}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ],
];

const CRLF = "\r\n";

/** Field lists of HTTP/2 that would become two requests of HTTP/1.1. `content`: sent as DATA. */
const HTTP2_ATTACKS: readonly { name: string; fields: readonly string[]; content?: string }[] = [
  { name: "CR LF in a value", fields: [...GET, "x", `y${CRLF}${CRLF}${HIDDEN}`] },
  { name: "LF in a value", fields: [...GET, "x", `y\n\n${HIDDEN}`] },
  { name: "NUL in a value", fields: [...GET, "x", "y\0z"] },
  { name: "CR LF in a name", fields: [...GET, `x: y${CRLF}${CRLF}${HIDDEN}z`, "1"] },
  { name: "a colon in a name", fields: [...GET, "transfer-encoding: chunked", "1"] },
  { name: "a blank in a name", fields: [...GET, "transfer-encoding ", "chunked"] },
  { name: "an upper-case name", fields: [...GET, "Transfer-Encoding", "chunked"] },
  {
    name: "CR LF in the path",
    fields: [
      ":method",
      "GET",
      ":scheme",
      "https",
      ":authority",
      "h1.test",
      ":path",
      `/ HTTP/1.1${CRLF}Host: h1.test${CRLF}${CRLF}${HIDDEN}`,
    ],
  },
  { name: "a blank in the path", fields: [...GET.slice(0, 6), ":path", "/hidden HTTP/1.1"] },
  {
    name: "a request line in the method",
    fields: [":method", `GET /hidden HTTP/1.1${CRLF}x: y`, ...GET.slice(2)],
  },
  {
    name: "CR LF in the authority",
    fields: [...GET.slice(0, 4), ":authority", `h1.test${CRLF}${CRLF}${HIDDEN}`, ":path", "/"],
  },
  {
    name: "transfer-encoding",
    fields: [...POST, "transfer-encoding", "chunked"],
    content: `0${CRLF}${CRLF}${HIDDEN}`,
  },
  { name: "a length of nothing", fields: [...POST, "content-length", "0"], content: HIDDEN },
  { name: "a length that is too small", fields: [...POST, "content-length", "3"], content: `abc${HIDDEN}` },
  { name: "a length that is too large", fields: [...POST, "content-length", "9999"], content: HIDDEN },
  {
    name: "two lengths",
    fields: [...POST, "content-length", "0", "content-length", `${HIDDEN.length}`],
    content: HIDDEN,
  },
  { name: "a length with a sign", fields: [...POST, "content-length", "+0"], content: HIDDEN },
  { name: "Host and authority differ", fields: [...GET, "host", "other.test"] },
  { name: "connection", fields: [...GET, "connection", "close"] },
  { name: "a path without a slash", fields: [...GET.slice(0, 6), ":path", "hidden"] },
  { name: "a fragment in the path", fields: [...GET.slice(0, 6), ":path", "/#/hidden"] },
  { name: "two paths", fields: [...GET, ":path", "/hidden"] },
  { name: "no method", fields: GET.slice(2) },
];

/** Whether something that was hidden ran. */
const isHidden = (request: string) => request.includes("hidden");

/** What was sent, with the authority that the routes know. */
function named(fields: readonly string[], authority: string): string[] {
  return fields.map((text) => text === "a.test" ? authority : text);
}

Deno.test("the lenient backend runs what is hidden, when nobody stands before it", async (t) => {
  const harmless = ["a list of lengths", "chunked not last", "a chunk size that overflows", "two lengths"];
  for (const [name, sent] of HTTP1_ATTACKS) {
    if (harmless.includes(name)) continue;
    await t.step(name, async () => {
      await using backend = await lenientBackend();
      await exchange(backend.addr, latin1(sent), true);
      assert.ok(backend.ran.some(isHidden), `${backend.ran}`);
    });
  }
});

Deno.test("requests of HTTP/1.1 that could smuggle get 400 and the end of the connection", async (t) => {
  await using lenient = await lenientBackend();
  await using scene = await openScene();
  const { site } = scene;
  const routes = [
    site.route("h1.test", lenient.addr, { backend_protocol: "http/1.1" }),
    scene.routes[0]!,
  ];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const name of ["h1.test", "h2c.test"] as const) {
      const target = { addr, name };
      // The first alone: what is hidden has its length.
      const named = (text: string) => text.replace("Host: h1.test", `Host: ${name}`);
      await using honest = await L7Peer.open(site, target, "h2");
      for (const [attack, sent] of HTTP1_ATTACKS) {
        await t.step(`${attack} to ${name}`, async () => {
          await using client = await RawPeer.open(site, target, ["http/1.1"]);
          client.send(named(sent));
          assert.equal(await client.ended(), "close_notify");
          const statuses = client.text.match(/^HTTP\/1\.1 \d+/gm);
          assert.match(`${statuses}`, /^(HTTP\/1\.1 200,)?HTTP\/1\.1 (400|501)$/);
          const { status } = await honest.answer({ path: "/honest" });
          assert.equal(status, 200);
        });
      }
      for (const [attack, sent] of HTTP1_GOOD) {
        await t.step(`${attack} to ${name} is served`, async () => {
          await using client = await RawPeer.open(site, target, ["http/1.1"]);
          client.send(named(sent));
          await client.match(/^HTTP\/1\.1 200 [^]*(ran \/open\n|hello)/);
          client.send(`GET /after HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
          await client.ended();
          assert.deepEqual(client.text.match(/^HTTP\/1\.1 \d+/gm), ["HTTP/1.1 200", "HTTP/1.1 200"]);
          const { status, text } = await honest.answer({ path: "/honest" });
          assert.deepEqual([status, text], [200, name === "h1.test" ? "ran /honest\n" : "hello"]);
        });
      }
    }
  });
  assert.deepEqual(lenient.ran.filter(isHidden), []);
  assert.deepEqual(scene.requests.h2.map(({ request }) => request!.path).filter(isHidden), []);
  assert.ok(lenient.ran.length > 0 && scene.requests.h2.length > 0);
});

Deno.test("requests of HTTP/2 that would become two of HTTP/1.1 end without being run", async (t) => {
  await using lenient = await lenientBackend();
  await using scene = await openScene();
  const { site } = scene;
  const routes = [
    site.route("h1.test", lenient.addr, { backend_protocol: "http/1.1" }),
    scene.routes[0]!,
  ];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      const target = { addr, name: NAME_OF[version] };
      await using honest = await L7Peer.open(site, target, "h2");
      for (const { name, fields, content } of HTTP2_ATTACKS) {
        await t.step(`${name} to ${version}`, async () => {
          await using client = await RawPeer.open(site, target, ["h2"]);
          client.send(rawRequest(named(fields, target.name), content));
          const answer = await client.until("answer", () => client.end ?? answerOf(client.bytes));
          assert.match(answer, /^(status 400|RST_STREAM PROTOCOL_ERROR|GOAWAY PROTOCOL_ERROR)$/);
          const { status, text } = await honest.answer({ path: "/honest" });
          assert.deepEqual([status, text], [200, version === "http/1.1" ? "ran /honest\n" : "hello"]);
        });
      }
    }
  });
  assert.deepEqual(lenient.ran.filter(isHidden), []);
  assert.deepEqual(scene.requests.h2.map(({ request }) => request!.path).filter(isHidden), []);
});
