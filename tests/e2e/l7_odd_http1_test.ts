/**
 * Goal: clients and backends of HTTP/1.1 that do what few do, and what proxies were broken by: half-closes, bytes that
 * nobody has asked for yet, answers that nobody has asked for, the other version's first bytes.
 * Method: the real program; both ends write their bytes by hand.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PREFACE } from "../../src/http2/frames.ts";
import { answerOf } from "./raw_http2.ts";
import { latin1 } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { RawPeer } from "./l7_peer.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend, type RawConnection } from "./raw_backend.ts";

const GET = (path: string, version = "1.1") => `GET ${path} HTTP/${version}\r\nHost: h1.test\r\n\r\n`;
const answer = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

/** Runs `use` with connections to a route of HTTP/1.1, whose backend runs `script` on each connection. */
async function withBackend(
  script: (connection: RawConnection, index: number) => Promise<void>,
  use: (open: (alpn?: string) => Promise<RawPeer>) => Promise<void>,
): Promise<void> {
  await using site = await openSite();
  await using backend = await rawBackend(script);
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }], proxy: { workers: 1 } }, async ({ addr }) => {
    await using clients = new AsyncDisposableStack();
    await use(async (alpn = "http/1.1") =>
      clients.use(await RawPeer.open(site, { addr, name: "h1.test" }, [alpn]))
    );
  });
}

Deno.test("a client that has finished gets the answer that comes later", async () => {
  const finished = Promise.withResolvers<void>();
  await withBackend(async (connection) => {
    await connection.head();
    await finished.promise;
    await connection.send(answer("late"));
    await connection.toEnd();
  }, async (open) => {
    const client = await open();
    client.send(GET("/"));
    await client.finish();
    finished.resolve();
    await client.match(/\r\n\r\nlate$/);
    assert.equal(await client.ended(), "close_notify");
  });
});

Deno.test("what a client sends behind an upgrade reaches no backend that hasn't accepted it", async () => {
  const upgrade = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const asked: string[] = [];
  await withBackend(async (connection) => {
    for (let head; (head = await connection.head()) !== undefined;) {
      asked.push(head);
      assert.equal(connection.rest, "", "a request without content has none");
      await connection.send(answer(`${asked.length}`));
    }
  }, async (open) => {
    const client = await open();
    // Passed on as it is, it would be a request of the client's own making, without our fields.
    const first = GET("/chat").replace("\r\n\r\n", `\r\n${upgrade.join("\r\n")}\r\n\r\n`);
    client.send(first + GET("/hidden"));
    await client.match(/\r\n\r\n1HTTP[^]*\r\n\r\n2$/);
    assert.match(asked[1]!, /^GET \/hidden [^]*x-forwarded-for: 127\.0\.0\.1\r\n/);
  });
});

Deno.test("an answer that nobody has asked for is given to nobody, and its connection is left", async (t) => {
  const unasked = {
    "behind an answer": answer("evil"),
    "behind HEAD's answer": answer("evil"),
    "while idle": "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
  };
  for (const [name, bytes] of Object.entries(unasked)) {
    await t.step(name, async () => {
      const answered = Promise.withResolvers<void>();
      const left = Promise.withResolvers<void>();
      await withBackend(async (connection, index) => {
        await connection.head();
        const first = name === "behind HEAD's answer"
          ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
          : answer("good");
        if (index > 0) await connection.send(answer("good"));
        else if (name === "while idle") {
          await connection.send(first);
          await answered.promise;
          await connection.send(bytes);
        } else await connection.send(first + bytes);
        assert.equal(await connection.head(), undefined, "no second request");
        left.resolve();
      }, async (open) => {
        const client = await open();
        client.send(name === "behind HEAD's answer" ? GET("/").replace("GET", "HEAD") : GET("/"));
        await client.match(/\r\n\r\n(good)?$/);
        answered.resolve();
        await left.promise;
        client.send(GET("/"));
        await client.match(/\r\n\r\n(good)?HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\ngood$/);
        assert.doesNotMatch(client.text, /evil|408/);
      });
    });
  }
});

Deno.test("who begins in the other version than was agreed is told so", async () => {
  await withBackend(() => Promise.reject(new Error("nobody asks")), async (open) => {
    const one = await open("http/1.1");
    one.send(PREFACE);
    await one.match(/^HTTP\/1\.1 505 HTTP Version Not Supported\r\n/);
    assert.equal(await one.ended(), "close_notify");
    const two = await open("h2");
    two.send(GET("/"));
    assert.equal(await two.until("GOAWAY", () => answerOf(two.bytes)), "GOAWAY PROTOCOL_ERROR");
    assert.equal(await two.ended(), "close_notify");
  });
});

Deno.test("a client of HTTP/1.0 gets no chunks, and the end of its response with the connection", async () => {
  await withBackend(async (connection) => {
    await connection.head();
    await connection.send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\nX: y\r\n\r\n",
    );
    await connection.toEnd();
  }, async (open) => {
    const client = await open();
    client.send(latin1(GET("/", "1.0")));
    assert.equal(await client.ended(), "close_notify");
    assert.equal(client.text, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfour");
  });
});
