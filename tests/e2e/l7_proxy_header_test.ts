/**
 * Goal: a backend that gets PROXY headers hears of every client by its own connection: none is ever shared between two,
 * in any version, and the header says what was negotiated with the client.
 * Method: the real program before a backend that reads the header byte by byte; several clients at once, several requests
 * each.
 *
 * @module
 */

import assert from "node:assert/strict";
import { latin1 } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { versionTwo } from "./declared.ts";
import { L7Peer } from "./l7_peer.ts";
import { VERSIONS } from "./l7_scene.ts";
import { openSite } from "./l7_site.ts";
import { rawBackend, type RawConnection } from "./raw_backend.ts";

/** What a header says. */
interface Header {
  readonly source: string;
  readonly authority: string;
  readonly alpn: string;
  /** Version of TLS, and whether the client was said to have used it. */
  readonly tls: string;
}

/** Reads a version 2 header over IPv4 (its specification, section 2.2). */
async function readHeader(connection: RawConnection): Promise<Header> {
  const start = latin1((await connection.take(/\r\n\r\n\0\r\nQUIT\n[^]{4}/))!);
  const content = latin1((await connection.take(new RegExp(`[^]{${start[14]! * 256 + start[15]!}}`)))!);
  assert.deepEqual([start[12], start[13]], [0x21, 0x11]);
  const tlvs = new Map<number, Uint8Array>();
  for (let at = 12; at < content.length;) {
    const length = content[at + 1]! * 256 + content[at + 2]!;
    tlvs.set(content[at]!, content.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  const ssl = tlvs.get(0x20)!;
  // Flags, five bytes in all, stand before the TLVs inside: 0x21 is the version.
  assert.deepEqual([ssl[0]! & 1, ssl[5]], [1, 0x21]);
  return {
    source: `${content.subarray(0, 4).join(".")}:${content[8]! * 256 + content[9]!}`,
    authority: text(tlvs.get(2)),
    alpn: text(tlvs.get(1)),
    tls: text(ssl.subarray(8)),
  };
}

Deno.test("each client has backend connections of its own, which begin with its header", async (t) => {
  const requests: { header: Header; path: string }[] = [];
  await using backend = await rawBackend(async (connection) => {
    const header = await readHeader(connection);
    for (let head; (head = await connection.head()) !== undefined;) {
      requests.push({ header, path: head.split(" ")[1]! });
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  });
  await using site = await openSite();
  const keys = { backend_protocol: "http/1.1", send_proxy_protocol: true };
  const routes = [site.route("h1.test", backend.addr, keys)];
  const listener = { proxy_protocol: true, trusted_proxies: ["127.0.0.1"], routes };
  await serveQuietly({ listeners: [listener], proxy: { workers: 1 } }, async ({ addr }) => {
    for (const version of VERSIONS) {
      await t.step(version, async () => {
        requests.length = 0;
        await using clients = new AsyncDisposableStack();
        const peers: L7Peer[] = [];
        for (let port = 5_001; port <= 5_004; port++) {
          const header = versionTwo("192.0.2.7", port);
          const peer = await L7Peer.open(site, { addr, name: "h1.test", header }, version);
          peers.push(clients.use(peer));
        }
        // In turns, so that an idle connection of another client is always there to be taken.
        for (const round of [1, 2, 3]) {
          for (const [index, peer] of peers.entries()) {
            assert.equal((await peer.answer({ path: `/${5_001 + index}/${round}` })).status, 200);
          }
        }
        assert.equal(requests.length, 12);
        for (const { header, path } of requests) {
          assert.deepEqual(header, {
            source: `192.0.2.7:${path.split("/")[1]}`,
            authority: "h1.test",
            alpn: version,
            tls: "TLSv1.3",
          });
        }
      });
    }
  });
  assert.equal(backend.accepted, 8, "a client's connection was not kept for its next request");
});
