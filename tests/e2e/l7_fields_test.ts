/**
 * Goal: a backend hears from the program alone who asks; what a client says of itself, what belongs to one connection
 * and what a backend may not say never pass.
 * Method: the real program between clients and backends of either version; the whole field list at the far end is
 * compared.
 *
 * @module
 */

import assert from "node:assert/strict";
import { block, concat, frame, settings } from "../http2/raw_peer.ts";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { lines, valuesOf } from "../l7/heads.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { serveQuietly } from "../support/quiet.ts";
import { DESTINATION, versionOne, versionTwo } from "./declared.ts";
import { L7Peer, RawPeer, type Target } from "./l7_peer.ts";
import { eachPair, NAME_OF, openScene, type Scene, type Version, VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend } from "./raw_backend.ts";

const ID = "client-chose-1";

interface Row {
  readonly name: string;
  /** Name, value, … as the client writes them; HTTP/2 sends the names in lower case. */
  readonly sent: readonly string[];
  /** What passes beside ours. */
  readonly passed?: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    name: "forwarding fields in mixed case",
    sent: ["X-FORWARDED-FOR", "1.1.1.1", "x-ReAl-iP", "1.1.1.1", "ForWarded", "for=1.1.1.1"],
  },
  {
    name: "forwarding fields twice",
    sent: ["X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "2.2.2.2", "X-Real-IP", "1", "X-Real-IP", "2"],
  },
  {
    name: "every other forwarding field",
    sent: [
      ...["X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.test", "X-Forwarded-Port", "1"],
      ...["X-Forwarded-Server", "evil", "X-Forwarded-Client-Cert", "Hash=1", "X-Forwarded-Prefix", "/a"],
    ],
  },
  {
    name: "look-alikes with underscores",
    sent: [
      "X_Forwarded_For",
      "1.1.1.1",
      "X-Forwarded_Proto",
      "http",
      "X_REAL_IP",
      "1",
      "Content_Length",
      "9",
    ],
  },
  { name: "httpoxy", sent: ["Proxy", "http://evil.test"] },
  { name: "credentials for a proxy", sent: ["Proxy-Authorization", "Basic eA=="] },
  {
    name: "what no rule names",
    sent: [
      ...[
        "Traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Authorization",
        "Bearer t",
      ],
      ...["Cookie", "a=1; b=2", "Accept", "*/*", "Accept", "text/plain", "X-Empty", ""],
    ],
    passed: [
      ...["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "authorization: Bearer t"],
      ...["cookie: a=1; b=2", "accept: */*", "accept: text/plain", "x-empty: "],
    ],
  },
  { name: "te: trailers", sent: ["TE", "trailers"], passed: ["te: trailers"] },
];

/** Rows that HTTP/2 can't say: RFC 9113 §8.2.2 makes such requests malformed. */
const HTTP1_ROWS: readonly Row[] = [
  {
    name: "Connection names our fields",
    sent: [
      "Connection",
      "X-Forwarded-For, x-real-ip",
      "X-Forwarded-For",
      "1.1.1.1",
      "CONNECTION",
      "x-REQUEST-id",
    ],
  },
  {
    name: "Connection names the client's own fields",
    sent: ["Connection", "X-Secret ,\tkeep-alive", "X-secret", "1", "Keep-Alive", "timeout=9", "X-Open", "2"],
    passed: ["x-open: 2"],
  },
  { name: "Connection names Host", sent: ["Connection", "host, content-length, transfer-encoding"] },
  {
    name: "connection fields",
    sent: ["Proxy-Connection", "keep-alive", "TE", "gzip", "HTTP2-Settings", "AAMAAABk"],
  },
  {
    name: "an upgrade to h2c",
    sent: ["Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABk"],
  },
  { name: "an upgrade to another protocol", sent: ["Connection", "Upgrade", "Upgrade", "irc"] },
];

function ours(name: string, port: string, client = "127.0.0.1"): string[] {
  return [
    `x-forwarded-for: ${client}`,
    `x-real-ip: ${client}`,
    "x-forwarded-proto: https",
    `x-forwarded-host: ${name}`,
    `x-forwarded-port: ${port}`,
    `x-request-id: ${ID}`,
  ];
}

/** Sends one GET with these fields. */
async function send(
  scene: Scene,
  target: Target,
  version: Version,
  fields: readonly string[],
): Promise<void> {
  await using client = await RawPeer.open(scene.site, target, [version]);
  if (version === "http/1.1") {
    client.send(
      `GET /f HTTP/1.1\r\nHost: ${target.name}\r\n${
        lines(fields).join("\r\n")
      }\r\nX-Request-ID: ${ID}\r\n\r\n`,
    );
    await client.match(/^HTTP\/1.1 200 .*hello/s);
    return;
  }
  const lower = fields.map((text, index) => index % 2 === 0 ? text.toLowerCase() : text);
  const head = [":method", "GET", ":scheme", "https", ":authority", target.name, ":path", "/f"];
  const section = block(...head, ...lower, "x-request-id", ID);
  client.send(concat(PREFACE, settings(), frame(FrameType.HEADERS, 5, 1, section)));
  await client.match(/hello/);
}

/** The last request that came to the backend of the version. */
function last(scene: Scene, version: Version): PeerStream {
  return scene.requests[version].at(-1)!;
}

/** The fields that came, without the framing that HTTP/1.1 adds. */
function received(scene: Scene, version: Version): string[] {
  const { fields } = last(scene, version).request!;
  // On an HTTP/1.1 hop `te` is announced by `connection` (RFC 9110 §10.1.4); our codec delivers both.
  return lines(fields).filter((line) => line !== "connection: TE" && line !== "connection: te").toSorted();
}

Deno.test("a backend hears the program's word alone, and all that is the client's to say", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    const port = addr.split(":")[1]!;
    await eachPair(async (client, backend, pair) => {
      for (const { name, sent, passed = [] } of client === "h2" ? ROWS : [...ROWS, ...HTTP1_ROWS]) {
        await t.step(`${pair}: ${name}`, async () => {
          const target = { addr, name: NAME_OF[backend] };
          await send(scene, target, client, sent);
          assert.deepEqual(received(scene, backend), [...passed, ...ours(target.name, port)].toSorted());
          const { method, authority, path, protocol, scheme } = last(scene, backend).request!;
          assert.deepEqual([method, authority, path, protocol], ["GET", target.name, "/f", undefined]);
          assert.equal(scheme, backend === "h2" ? "http" : "");
        });
      }
    });
  });
});

Deno.test("the authority passes as it was sent, and a request id that isn't sane is replaced", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        const authority = `${NAME_OF[backend].toUpperCase()}.:8443`;
        await using client = await L7Peer.open(scene.site, { addr, name: NAME_OF[backend] }, version);
        for (const id of [["x-request-id", "two words"], ["x-request-id", "a", "x-request-id", "a"], []]) {
          const { status } = await client.answer({ authority, fields: id });
          const { request } = last(scene, backend);
          assert.deepEqual([status, request!.authority], [200, authority]);
          assert.deepEqual(valuesOf(request!.fields, "x-forwarded-host"), [authority]);
          const ids = valuesOf(request!.fields, "x-request-id");
          assert.match(ids.join(), /^[0-9A-Za-z_.-]{8,}$/);
        }
        const all = scene.requests[backend].map(({ request }) =>
          valuesOf(request!.fields, "x-request-id")[0]
        );
        assert.equal(new Set(all).size, all.length, "an id was given twice");
      });
    });
  });
});

Deno.test("behind a trusted PROXY header the declared client is told, and the port that it reached", async (t) => {
  await using scene = await openScene();
  const trusted = { proxy_protocol: true, trusted_proxies: ["127.0.0.1"] };
  const rows = [
    ["version 1, IPv4", versionOne("203.0.113.9"), "203.0.113.9"],
    ["version 1, IPv6", versionOne("2001:db8::9"), "2001:db8::9"],
    ["version 2, IPv4 written as IPv6", versionTwo("::ffff:203.0.113.10"), "203.0.113.10"],
  ] as const;
  await serveQuietly({ listeners: [{ ...trusted, routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      for (const [name, header, client] of rows) {
        await t.step(`${pair}: ${name}`, async () => {
          const target = { addr, name: NAME_OF[backend], header };
          await send(scene, target, version, ["X-Forwarded-For", "1.1.1.1"]);
          assert.deepEqual(
            received(scene, backend),
            ours(target.name, `${DESTINATION.port}`, client).toSorted(),
          );
        });
      }
    });
  });
});

Deno.test("hop-by-hop fields and Alt-Svc of a response don't pass, the others do, cookies one by one", async (t) => {
  const hop = [
    "Connection: X-Hop, upgrade",
    "Keep-Alive: timeout=1",
    "X-HOP: 1",
    "Proxy-Authenticate: Basic",
  ];
  const fields = [
    ...hop,
    'Alt-Svc: h3=":443"',
    "Set-Cookie: a=1",
    "X-Kept: 1",
    "Set-Cookie: b=2",
    "Upgrade: h2c",
  ];
  await using backend = await rawBackend(async (connection) => {
    while (await connection.head() !== undefined) {
      await connection.send(`HTTP/1.1 200 OK\r\n${fields.join("\r\n")}\r\nContent-Length: 5\r\n\r\nhello`);
    }
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        await using client = await L7Peer.open(site, { addr, name: "h1.test" }, version);
        const { responses, text } = await client.answer();
        const kept = ["set-cookie: a=1", "x-kept: 1", "set-cookie: b=2", "content-length: 5"];
        assert.deepEqual([lines(responses[0]!.fields), text], [kept, "hello"]);
      });
    }
  });
});

Deno.test("trailers can't say what a head may not", async (t) => {
  const smuggled = ["x-forwarded-for", "1.1.1.1", "content-length", "5", "x-checksum", "7", "x_real_ip", "1"];
  await using scene = await openScene({
    onEnd: (stream) => {
      stream.respond(200, { fields: ["trailer", "x-sum"], text: "part", isOpen: true });
      stream.finish(["x-sum", "9", "alt-svc", "clear"]);
    },
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await eachPair(async (version, backend, pair) => {
      await t.step(pair, async () => {
        const target = { addr, name: NAME_OF[backend] };
        if (version === "http/1.1") {
          await using client = await RawPeer.open(scene.site, target, ["http/1.1"]);
          const trailers = lines(smuggled).join("\r\n");
          client.send(
            `POST / HTTP/1.1\r\nHost: ${target.name}\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n`,
          );
          client.send(`2\r\nok\r\n0\r\n${trailers}\r\n\r\n`);
          await client.match(/\r\n0\r\nx-sum: 9\r\n\r\n$/i);
          assert.doesNotMatch(client.text, /alt-svc/i);
        } else {
          await using client = await L7Peer.open(scene.site, target, "h2");
          const stream = client.ask({ method: "POST", fields: ["te", "trailers"] }, {
            text: "ok",
            isOpen: true,
          });
          // Our own encoder may refuse to say the rest.
          stream.finish(smuggled.slice(0, 2).concat(smuggled.slice(4)));
          await client.until("answer", () => stream.isOver);
          assert.deepEqual([stream.text, stream.trailers], ["part", ["x-sum", "9"]]);
        }
        const { text, trailers } = last(scene, backend);
        assert.deepEqual([text, trailers], ["ok", ["x-checksum", "7"]]);
      });
    });
  });
});
