/**
 * Goal: the event of a layer-7 connection says who ended it and why: the client's end, its RST, what it sent or didn't
 * send, the idle limit, a drain.
 * Method: the real program, TLS clients of node's on sockets that can be reset.
 *
 * @module
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { concat, frame, settings } from "../http2/raw_peer.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly, stopWithoutFault } from "../support/quiet.ts";
import { openSite } from "./l7_site.ts";

const NAME = "h2c.test";
const ACK = 0x1;
const GET = `GET / HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`;

interface Client {
  readonly raw: net.Socket;
  readonly tls: TLSSocket;
}

async function open(addr: string, version: string): Promise<Client> {
  const [host, port] = addr.split(":");
  const raw = net.connect({ host: host!, port: Number(port), noDelay: true });
  const tls = connect({ socket: raw, servername: NAME, rejectUnauthorized: false, ALPNProtocols: [version] });
  for (const socket of [raw, tls]) socket.on("error", () => {});
  await once(tls, "secureConnect");
  if (version === "h2") tls.write(concat(PREFACE, settings()));
  // The server's SETTINGS, or an answer: HTTP has begun.
  else tls.write(GET);
  await once(tls, "data");
  if (version === "h2") tls.write(frame(FrameType.SETTINGS, ACK, 0));
  return { raw, tls };
}

const ROWS: readonly [name: string, version: string, act: (client: Client) => void, reason: string][] = [
  ["finishes", "h2", ({ tls }) => tls.end(), "client_eof"],
  ["finishes", "http/1.1", ({ tls }) => tls.end(), "client_eof"],
  ["resets", "h2", ({ raw }) => raw.resetAndDestroy(), "client_reset"],
  ["resets", "http/1.1", ({ raw }) => raw.resetAndDestroy(), "client_reset"],
  ["resets inside a request", "http/1.1", ({ raw, tls }) => {
    tls.write(
      `POST / HTTP/1.1\r\nHost: ${NAME}\r\nContent-Length: 9\r\n\r\npart`,
      () => raw.resetAndDestroy(),
    );
  }, "client_reset"],
  ["finishes inside a head", "http/1.1", ({ tls }) => tls.end("GET /"), "client_eof"],
  ["sends two hosts", "http/1.1", ({ tls }) => {
    tls.write(`GET / HTTP/1.1\r\nHost: ${NAME}\r\nHost: ${NAME}\r\n\r\n`);
  }, "http_malformed"],
  ["sends no HTTP", "http/1.1", ({ tls }) => tls.write("\x16\x03\x01 hello\r\n\r\n"), "http_malformed"],
  ["sends a broken frame", "h2", ({ tls }) => tls.write(frame(FrameType.DATA, 0, 0)), "http_malformed"],
  ["begins a head", "http/1.1", ({ tls }) => tls.write("GET / HT"), "http_timeout"],
  ["begins a frame", "h2", ({ tls }) => tls.write(Uint8Array.of(0, 0, 5)), "http_timeout"],
  ["is silent", "h2", () => {}, "http_idle"],
  ["is silent", "http/1.1", () => {}, "http_idle"],
];

Deno.test("the event of a layer-7 connection says how its HTTP ended", async (t) => {
  await using site = await openSite();
  await using proxy = await startProxy({
    listeners: [{ routes: [site.route(NAME, site.clear)] }],
    http: { request_header_timeout: "500ms", idle_timeout: "1s" },
  });
  for (const [name, version, act, reason] of ROWS) {
    await t.step(`${version}: a client ${name}`, async () => {
      const from = proxy.program.events.length;
      const client = await open(proxy.addr, version);
      act(client);
      const event = await proxy.program.connectionEvent({}, undefined, from);
      assert.equal(event["reason"], reason);
      client.raw.destroy();
    });
  }
  await stopQuietly(proxy);
});

Deno.test("connections without a request are ended in good order by a stop, and say so", async () => {
  await using site = await openSite();
  await using proxy = await startProxy({ listeners: [{ routes: [site.route(NAME, site.clear)] }] });
  const clients = [await open(proxy.addr, "h2"), await open(proxy.addr, "http/1.1")];
  const ended = clients.map(({ tls, raw }) => Promise.all([once(tls, "end"), once(raw, "close")]));
  assert.equal(await stopWithoutFault(proxy), 0);
  await Promise.all(ended);
  const reasons = proxy.program.events.filter(({ event }) => event === "connection").map(({ reason }) =>
    reason
  );
  assert.deepEqual(reasons, ["drained", "drained"]);
});
