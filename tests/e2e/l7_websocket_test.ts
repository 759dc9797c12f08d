/**
 * Goal: WebSockets pass between HTTP/1.1 and HTTP/2 in every direction that the backend allows, and a tunnel begins with
 * a valid answer only.
 * Method: the real program, with the runtime's own WebSocket as client and as server where they speak HTTP/1.1; over
 * HTTP/2 (RFC 8441) both sides are our codec, and frames are written by hand (RFC 6455 §5.2).
 *
 * @module
 */

import assert from "node:assert/strict";
import type { PeerStream } from "../l7/http_peer.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { acceptOf } from "../../src/l7/upgrade.ts";
import { valuesOf } from "../l7/heads.ts";
import { serveQuietly } from "../support/quiet.ts";
import { eventually } from "./eventually.ts";
import { L7Peer, RawPeer } from "./l7_peer.ts";
import { NAME_OF, openScene, VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend } from "./raw_backend.ts";

/** RFC 6455 §1.3. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** A server of the runtime that echoes, and closes when it is told to. */
function echoServer(): { addr: string; shutdown(): Promise<void> } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (request.headers.get("upgrade") !== "websocket") return new Response("no", { status: 426 });
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "chat" });
    socket.onmessage = ({ data }) => data === "close" ? socket.close(4_000, "told to") : socket.send(data);
    return response;
  });
  return { addr: `127.0.0.1:${server.addr.port}`, shutdown: () => server.shutdown() };
}

/** A text frame as a client sends it, masked with zeros. */
function textFrame(text: string): Uint8Array {
  const content = new TextEncoder().encode(text);
  return Uint8Array.of(0x81, 0x80 | content.length, 0, 0, 0, 0, ...content);
}

/** A text frame as a server sends it. */
const answerFrame = (text: string) => `\x81${String.fromCharCode(text.length)}${text}`;

function upgradeText(name: string, more: readonly string[] = []): string {
  const fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", ...more];
  return `GET /chat HTTP/1.1\r\nHost: ${name}\r\n${fields.join("\r\n")}\r\n\r\n`;
}

const EXTENDED = {
  method: "CONNECT",
  protocol: "websocket",
  path: "/chat",
  fields: ["sec-websocket-version", "13", "sec-websocket-protocol", "chat"],
};

Deno.test("HTTP/1.1 to HTTP/1.1: a stranger's WebSocket server echoes, and both ends close in good order", async () => {
  const server = echoServer();
  await using site = await openSite();
  const routes = [site.route("h1.test", server.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    await using client = await RawPeer.open(site, { addr, name: "h1.test" }, ["http/1.1"]);
    client.send(upgradeText("h1.test", [`Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Protocol: chat"]));
    const [head] = await client.match(/^[^]*?\r\n\r\n/);
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(head, /^upgrade: websocket\r$/im);
    assert.match(head, /^connection: upgrade\r$/im);
    assert.ok(head.toLowerCase().includes(`sec-websocket-accept: ${ACCEPT.toLowerCase()}`));
    assert.match(head, /^sec-websocket-protocol: chat\r$/im);
    for (let count = 0; count < 20; count++) {
      client.send(textFrame(`message ${count}`));
      await client.until("echo", () => client.text.endsWith(answerFrame(`message ${count}`)));
    }
    client.send(textFrame("close"));
    await client.until("close frame", () => client.text.endsWith("\x0f\xa0told to"));
    client.send(Uint8Array.of(0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0));
    assert.equal(await client.ended(), "close_notify");
  });
  await server.shutdown();
});

Deno.test("HTTP/2 to HTTP/1.1: extended CONNECT is announced and becomes an upgrade", async () => {
  const server = echoServer();
  await using site = await openSite();
  const routes = [site.route("h1.test", server.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    await using client = await L7Peer.open(site, { addr, name: "h1.test" }, "h2");
    await client.until("announcement", () => canConnect(client));
    const stream = client.ask(EXTENDED, { isOpen: true });
    await client.until("answer", () => stream.status !== undefined);
    const { fields } = stream.responses[0]!;
    assert.equal(stream.status, 200);
    assert.deepEqual(valuesOf(fields, "sec-websocket-protocol"), ["chat"]);
    for (const name of ["upgrade", "connection", "sec-websocket-accept"]) {
      assert.deepEqual(valuesOf(fields, name), [], name);
    }
    stream.send(textFrame("over two"));
    await client.until("echo", () => stream.text.endsWith("over two"));
    // Another request shares the connection meanwhile.
    assert.equal((await client.answer({ path: "/plain" })).status, 426);
    stream.send(textFrame("close"));
    await client.until("close frame", () => stream.text.endsWith("told to"));
    stream.send(Uint8Array.of(0x88, 0x80, 0, 0, 0, 0), true);
    await client.until("end", () => stream.isOver);
  });
  await server.shutdown();
});

Deno.test("HTTP/1.1 and HTTP/2 to HTTP/2: where the backend has announced it", async (t) => {
  await using scene = await openScene({
    onHead: (stream) => {
      if (stream.request!.protocol === "websocket") {
        stream.respond(200, { fields: ["sec-websocket-protocol", "chat"], isOpen: true });
      }
    },
    http2: { enableConnectProtocol: true },
  });
  await serveQuietly({ listeners: [{ routes: scene.routes }], proxy: { workers: 1 } }, async ({ addr }) => {
    const target = { addr, name: NAME_OF.h2 };
    await t.step("HTTP/1.1", async () => {
      await using client = await RawPeer.open(scene.site, target, ["http/1.1"]);
      client.send(upgradeText("h2c.test", [`Sec-WebSocket-Key: ${KEY}`]));
      const [head] = await client.match(/^HTTP\/1\.1 101 [^]*?\r\n\r\n/);
      assert.ok(head.toLowerCase().includes(`sec-websocket-accept: ${ACCEPT.toLowerCase()}`));
      const far = scene.requests.h2.at(-1)!;
      assert.deepEqual([far.request!.method, far.request!.protocol], ["CONNECT", "websocket"]);
      for (const name of ["sec-websocket-key", "upgrade", "connection"]) {
        assert.deepEqual(valuesOf(far.request!.fields, name), [], name);
      }
      client.send("up");
      await scene.backends.h2.until("up", () => far.text === "up");
      far.send("down", true);
      await client.match(/down$/);
      assert.equal(await client.ended(), "close_notify");
    });
    await t.step("HTTP/2, announced to connections that come later", async () => {
      await using client = await L7Peer.open(scene.site, target, "h2");
      await client.until("announcement", () => canConnect(client));
      const stream = client.ask(EXTENDED, { isOpen: true });
      await client.until("answer", () => stream.status === 200);
      stream.send("up");
      const far = scene.requests.h2.at(-1)!;
      await scene.backends.h2.until("up", () => far.text === "up");
      far.send("down", true);
      await client.until("down", () => stream.isEnded);
      assert.equal(stream.text, "down");
      stream.send("", true);
    });
  });
});

/** Whether the server has announced extended CONNECT. */
function canConnect({ peer }: L7Peer): boolean {
  return "canExtendedConnect" in peer.codec && peer.codec.canExtendedConnect;
}

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";

Deno.test("an answer that isn't a valid acceptance opens no tunnel", async (t) => {
  const rows: readonly (readonly [name: string, answer: string, status: number])[] = [
    ["a wrong proof", `${SWITCH}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n`, 502],
    ["no proof", `${SWITCH}\r\n`, 502],
    ["another protocol", `${SWITCH.replace("websocket", "irc")}Sec-WebSocket-Accept: PROOF\r\n\r\n`, 502],
    ["a refusal", "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 403],
    ["a plain 200", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 200],
  ];
  let current = rows[0]!;
  const past: string[] = [];
  await using backend = await rawBackend(async (connection) => {
    const head = await connection.head();
    const key = /sec-websocket-key: (\S+)/i.exec(head!)![1]!;
    await connection.send(current[1].replace("PROOF", acceptOf(key)));
    past.push((await connection.toEnd()).text);
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  await serveQuietly({ listeners: [{ routes }], proxy: { workers: 1 } }, async ({ addr }) => {
    for (const row of rows) {
      current = row;
      await t.step(`${row[0]} to HTTP/1.1`, async () => {
        await using client = await RawPeer.open(site, { addr, name: "h1.test" }, ["http/1.1"]);
        // A tunnel that was believed in too early would carry this request to the backend.
        client.send(`${upgradeText("h1.test", [`Sec-WebSocket-Key: ${KEY}`])}GET /hidden HTTP/1.1\r\n`);
        await client.match(new RegExp(`^HTTP/1\\.1 ${row[2]} `));
      });
      await t.step(`${row[0]} to HTTP/2`, async () => {
        await using client = await L7Peer.open(site, { addr, name: "h1.test" }, "h2");
        await client.until("announcement", () => canConnect(client));
        const stream: PeerStream = client.ask(EXTENDED, { isOpen: true });
        stream.send("GET /hidden");
        await client.until("answer", () => stream.status !== undefined || stream.isOver);
        // To the client of an extended CONNECT 200 would be a tunnel.
        assert.equal(stream.status, row[2] === 200 ? 502 : row[2]);
      });
    }
  });
  assert.deepEqual(past.filter((text) => text.includes("hidden")), []);
});

Deno.test("a tunnel ends to the backend as it did to the client: with a FIN behind the last byte, or with a RST", async (t) => {
  const seen: string[] = [];
  let taken = 0;
  await using backend = await rawBackend(async (connection) => {
    const key = /sec-websocket-key: (\S+)/i.exec((await connection.head())!)![1]!;
    await connection.send(`${SWITCH}Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`);
    await connection.take(/the last byte/);
    taken++;
    const { text, end } = await connection.toEnd();
    seen.push(`${text}${end}`);
  });
  await using site = await openSite();
  const routes = [site.route("h1.test", backend.addr, { backend_protocol: "http/1.1" })];
  const target = { name: "h1.test" };
  await serveQuietly({ listeners: [{ routes }], proxy: { workers: 1 } }, async ({ addr }) => {
    await t.step("HTTP/1.1, finished", async () => {
      await using client = await RawPeer.open(site, { addr, ...target }, ["http/1.1"]);
      client.send(upgradeText("h1.test", [`Sec-WebSocket-Key: ${KEY}`]));
      await client.match(/^HTTP\/1\.1 101 [^]*\r\n\r\n/);
      client.send("the last byte");
      await client.finish();
      assert.equal(await client.ended(), "close_notify");
      assert.equal(seen.at(-1), "fin");
    });
    for (const [how, end] of [["finished", "fin"], ["cancelled", "reset"]] as const) {
      await t.step(`HTTP/2, ${how}`, async () => {
        await using client = await L7Peer.open(site, { addr, ...target }, "h2");
        await client.until("announcement", () => canConnect(client));
        const stream = client.ask(EXTENDED, { isOpen: true });
        await client.until("answer", () => stream.status === 200);
        const before = seen.length;
        stream.send("the last byte", how === "finished");
        if (how === "cancelled") {
          // Not before it has passed: a RST may overtake what came before it.
          await eventually("last byte at the backend", () => taken === before + 1);
          stream.cancel(ErrorCode.CANCEL);
        }
        await eventually("end at the backend", () => seen.length > before);
        assert.equal(seen.at(-1), end);
      });
    }
  });
});

Deno.test("a handshake without a valid key is refused before the backend is asked", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const [name, fields] of [["no key", []], ["a short key", ["Sec-WebSocket-Key: eA=="]]] as const) {
      await t.step(name, async () => {
        await using client = await RawPeer.open(scene.site, { addr, name: "h1.test" }, ["http/1.1"]);
        client.send(upgradeText("h1.test", fields));
        await client.match(/^HTTP\/1\.1 400 /);
      });
    }
  });
  assert.deepEqual(scene.requests["http/1.1"], []);
});

Deno.test("504: a handshake that the backend doesn't answer in time", async (t) => {
  await using scene = await openScene({ onEnd: () => {}, http2: { enableConnectProtocol: true } });
  // stream_idle_timeout would end it too, but may be off.
  const http = { response_header_timeout: "300ms", stream_idle_timeout: "0s" };
  const tables = { listeners: [{ routes: scene.routes }], http, proxy: { workers: 1 } };
  await serveQuietly(tables, async ({ addr }) => {
    for (const backend of VERSIONS) {
      const target = { addr, name: NAME_OF[backend] };
      await t.step(`HTTP/1.1 to ${backend}`, async () => {
        await using client = await RawPeer.open(scene.site, target, ["http/1.1"]);
        client.send(upgradeText(target.name, [`Sec-WebSocket-Key: ${KEY}`]));
        await client.match(/^HTTP\/1\.1 504 /);
      });
      await t.step(`HTTP/2 to ${backend}`, async () => {
        await using client = await L7Peer.open(scene.site, target, "h2");
        await client.until("announcement", () => canConnect(client));
        const stream = client.ask(EXTENDED, { isOpen: true });
        await client.until("answer", () => stream.status !== undefined || stream.isOver);
        assert.equal(stream.status, 504);
      });
    }
  });
});

Deno.test("a backend that takes no stream is not asked for a WebSocket again and again", async () => {
  await using scene = await openScene({ http2: { enableConnectProtocol: true, maxConcurrentStreams: 0 } });
  await serveQuietly({ listeners: [{ routes: scene.routes }], proxy: { workers: 1 } }, async ({ addr }) => {
    await using client = await RawPeer.open(scene.site, { addr, name: NAME_OF.h2 }, ["http/1.1"]);
    client.send(upgradeText(NAME_OF.h2, [`Sec-WebSocket-Key: ${KEY}`]));
    await client.match(/^HTTP\/1\.1 502 /);
    assert.equal(scene.backends.h2.connections.length, 1);
  });
});
