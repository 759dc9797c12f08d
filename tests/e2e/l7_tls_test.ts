/**
 * Goal: TLS is terminated whatever way the hello arrives, and what is too old or speaks nothing of ours is refused with
 * the alert that says so.
 * Method: the real program; a forwarder that cuts the hello in two at every byte; hellos written by hand; curl for
 * versions and ciphers.
 *
 * @module
 */

import assert from "node:assert/strict";
import { clientHello, extension } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { exchange, openClient, parseAlert } from "../support/raw_client.ts";
import { pause } from "./eventually.ts";
import { L7Peer, RawPeer } from "./l7_peer.ts";
import { NAME_OF, openScene, VERSIONS } from "./l7_scene.ts";
import { curl } from "./l7_site.ts";
import { type ScriptedBackend, scriptedBackend, writeWhole } from "../support/scripted_backend.ts";

/** Time for a part to be read alone; where it isn't, that cut tests less. */
const PART_MS = 4;
const CONCURRENT = 24;

/** Forwards to `addr`; what a client sends first is passed on by `send`. */
function forwarder(
  addr: string,
  send: (to: Deno.TcpConn, hello: Uint8Array) => Promise<void>,
): ScriptedBackend {
  const [hostname, port] = addr.split(":");
  return scriptedBackend(async (client) => {
    using program = await Deno.connect({ hostname: hostname!, port: Number(port) });
    program.setNoDelay(true);
    const buffer = new Uint8Array(65_536);
    const count = await client.read(buffer);
    await send(program, buffer.slice(0, count ?? 0));
    await Promise.allSettled([
      client.readable.pipeTo(program.writable),
      program.readable.pipeTo(client.writable),
    ]);
  });
}

Deno.test("a hello may be cut anywhere: it is replayed whole, once, to TLS", async (t) => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    let helloBytes = 0;
    let cut = 0;
    await using measuring = forwarder(addr, (to, hello) => {
      helloBytes = hello.length;
      return writeWhole(to, hello);
    });
    const ask = async (through: string, at: number) => {
      const version = VERSIONS[at % 2]!;
      await using client = await L7Peer.open(scene.site, { addr: through, name: NAME_OF[version] }, version);
      const { status, text } = await client.answer({ path: `/${at}` });
      assert.deepEqual([status, text], [200, "hello"], `cut at ${at}`);
    };
    await ask(measuring.addr, 0);
    await t.step(`in two, at each of ${helloBytes} bytes`, async () => {
      await using cutting = forwarder(addr, async (to, hello) => {
        const at = ++cut;
        await writeWhole(to, hello.subarray(0, at));
        await pause(PART_MS);
        await writeWhole(to, hello.subarray(at));
      });
      const next = Array.from({ length: helloBytes - 1 }, (_, index) => index + 1);
      const walk = async () => {
        for (let at; (at = next.pop()) !== undefined;) await ask(cutting.addr, at);
      };
      await Promise.all(Array.from({ length: CONCURRENT }, walk));
      assert.equal(cut, helloBytes - 1);
    });
    await t.step("byte by byte", async () => {
      await using single = forwarder(addr, async (to, hello) => {
        for (const byte of hello) await writeWhole(to, Uint8Array.of(byte));
      });
      for (const at of [0, 1]) await ask(single.addr, at);
    });
  });
});

/** A hello that says that TLS 1.1 is the newest it knows (RFC 4346 §7.4.1.2). */
function oldHello(serverName: string): Uint8Array {
  const hello = clientHello({ serverName, version: "1.2" });
  // Behind the headers of record and message.
  hello[10] = 2;
  return hello;
}

/** A hello that offers these versions in supported_versions, whatever its legacy_version says. */
function helloOf(serverName: string, ...versions: readonly number[]): Uint8Array {
  const list = versions.flatMap((version) => [version >> 8, version & 0xff]);
  const supported = extension(43, Uint8Array.of(list.length, ...list));
  return clientHello({ serverName, version: "1.2", extensions: [supported] });
}

/** A hello of TLS 1.2 with four suites of RSA key exchange. */
function oldSuites(serverName: string): Uint8Array {
  const hello = clientHello({ serverName, version: "1.2" });
  const at = hello.findIndex((byte, index) =>
    byte === 0x13 && hello[index + 1] === 1 && hello[index + 2] === 0x13
  );
  hello.set([0, 0x2f, 0, 0x35, 0, 0x9c, 0, 0x9d], at);
  return hello;
}

Deno.test("what can't be served is refused with an alert", async (t) => {
  await using scene = await openScene();
  const serverName = NAME_OF.h2;
  const rows = [
    ["no common ALPN", clientHello({ serverName, alpn: ["spdy/3", "h3"] }), 120, "no_alpn"],
    ["acme-tls/1 without acme_backend", clientHello({ serverName, alpn: ["acme-tls/1"] }), 120, "no_alpn"],
    ["no common ALPN, TLS 1.2", clientHello({ serverName, alpn: ["h3"], version: "1.2" }), 120, "no_alpn"],
    ["TLS 1.1", oldHello(serverName), 70, "tls_failed"],
    ["TLS 1.1 by supported_versions", helloOf(serverName, 0x0302, 0x0301), 70, "tls_failed"],
    ["an unknown version alone", helloOf(serverName, 0x7a7a), 70, "tls_failed"],
    ["TLS 1.2 without forward secrecy", oldSuites(serverName), 40, "tls_failed"],
  ] as const;
  const events = await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const [name, hello, description] of rows) {
      await t.step(name, async () => {
        const answer = await exchange(addr, hello, true);
        assert.deepEqual([parseAlert(answer.bytes), answer.end], [{ level: 2, description }, "fin"]);
      });
    }
  });
  assert.deepEqual(
    events.map(({ reason }) => reason as string).toSorted(),
    rows.map(([, , , reason]) => reason).toSorted(),
  );
  assert.deepEqual(scene.requests.h2, []);
});

Deno.test("TLS 1.2 with forward secrecy and AEAD is served, older ciphers and versions are not", async (t) => {
  await using scene = await openScene();
  const rows: readonly [name: string, status: number, ...args: string[]][] = [
    ["TLS 1.3", 200, "--tlsv1.3"],
    ["TLS 1.2", 200, "--tls-max", "1.2"],
    ["ECDHE, AES-128-GCM", 200, "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"],
    ["ECDHE, ChaCha20", 200, "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ["ECDHE, AES-128-CBC", 0, "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA"],
    ["TLS 1.1", 0, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"],
    ["TLS 1.0", 0, "--tls-max", "1.0", "--ciphers", "DEFAULT@SECLEVEL=0"],
  ];
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    for (const [name, status, ...args] of rows) {
      await t.step(name, async () => {
        const answer = await curl(scene.site, addr, NAME_OF.h2, "/", "--tlsv1.0", ...args);
        assert.deepEqual([answer.status, answer.exit], [status, status === 200 ? 0 : 35]);
      });
    }
  });
});

Deno.test("a client without ALPN is served HTTP/1.1", async () => {
  await using scene = await openScene();
  await serveQuietly({ listeners: [{ routes: scene.routes }] }, async ({ addr }) => {
    await using client = await RawPeer.open(scene.site, { addr, name: NAME_OF.h2 }, []);
    client.send("GET / HTTP/1.1\r\nHost: h2c.test\r\n\r\n");
    await client.match(/^HTTP\/1\.1 200 [^]*hello/);
  });
});

Deno.test("a handshake that isn't finished in time is ended", async () => {
  await using scene = await openScene();
  const http = { tls_handshake_timeout: "300ms" };
  const events = await serveQuietly({ listeners: [{ routes: scene.routes }], http }, async ({ addr }) => {
    using client = await openClient(addr);
    const sentMs = performance.now();
    await client.send(clientHello({ serverName: NAME_OF.h2, alpn: ["h2"] }));
    const { bytes } = await client.readToEnd();
    assert.equal(bytes[0], 22, "the server's half of the handshake");
    assert.ok(performance.now() - sentMs >= 300);
  });
  assert.deepEqual(events.map(({ reason }) => reason), ["tls_timeout"]);
});
