/**
 * Goal: clients that ask for much and take nothing, a hundred connections with a hundred streams each, cost a bounded
 * memory, and another client is served beside them; connections that come and go cost none that lasts; gibibytes go
 * both ways unchanged; a client that sends its request byte by byte is not waited for.
 * Method: the real program, HTTP/2 by hand inside TLS, memory as Linux counts it. With `MC_PROXY_TEST_FULL` a GiB each
 * way and 45,000 connections.
 *
 * @module
 */

import assert from "node:assert/strict";
import { connect } from "node:tls";
import { once } from "node:events";
import { BUFFERED_BYTES_MAX } from "../../src/l7/buffer_budget.ts";
import { floodCounter } from "../../src/observe/counters.ts";
import { CodecBackend } from "../l7/codec_backend.ts";
import { fillPattern, patternSha256 } from "../support/pattern.ts";
import { print } from "../support/print.ts";
import { anonymousKib } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { serveQuietly, stopQuietly } from "../support/quiet.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { concat } from "../http2/raw_peer.ts";
import { eventually, pause } from "./eventually.ts";
import { HONEST_PATH, visitOverHttp } from "./honest_clients.ts";
import { Http2Client } from "./http2_client.ts";
import { openSite, type Site } from "./l7_site.ts";
import { SharedCounters } from "./shared_counters.ts";
import { sharedMemoryOf, socketCount } from "./shared_counts.ts";

const IS_FULL = Deno.env.has("MC_PROXY_TEST_FULL");
const NAME = "h2c.test";
const KIB = 1_024;
const MIB = 1_048_576;
const STREAMS = 100;
/** What one stream is promised and doesn't take. */
const RESPONSE_BYTES = 256 * KIB;
/**
 * ARCHITECTURE.md, Limits: half of max_buffered_bytes_per_connection and 16 KiB for each stream, in buffers that grow by
 * doubling; or a connection to an HTTP/1.1 backend for each stream.
 */
const HELD_KIB_MAX = 2 * (512 + 16 * STREAMS);
/** ARCHITECTURE.md, Limits: what a worker holds for all clients, in buffers up to half as large again. */
const WORKER_KIB_MAX = BUFFERED_BYTES_MAX * 1.5 / KIB;
/** Objects and TLS of a stalled connection of a hundred streams. */
const CONNECTION_KIB = 400;
/** What the heaps of two fresh workers grow by with any work. */
const HEAP_KIB = 64 * KIB;

/** Answers honest clients in short, and all others with more than anyone may hold for them. */
function largeBackend(version: "h2" | "http/1.1"): CodecBackend {
  const content = new Uint8Array(RESPONSE_BYTES);
  return new CodecBackend({
    version,
    http2: { maxConcurrentStreams: 1_000, maxBufferedBytesPerConnection: 1e9 },
    onHead: (stream) => {
      if (stream.request!.path === HONEST_PATH) {
        return stream.respond(200, { fields: ["content-length", "2"], text: "ok" });
      }
      stream.respond(200, { isOpen: true });
      stream.send(content, true);
    },
  });
}

Deno.test("a hundred connections of a hundred streams without a window hold what the limits say at most", async (t) => {
  for (const [version, connections] of [["h2", 100], ["http/1.1", IS_FULL ? 100 : 15]] as const) {
    await t.step(`${connections} connections, ${version} backend`, async () => {
      await using site = await openSite();
      const { authority } = site;
      await using backend = largeBackend(version);
      const route = site.route(NAME, `127.0.0.1:${backend.port}`, {
        backend_protocol: version === "h2" ? "h2c" : version,
      });
      await using proxy = await startProxy({ listeners: [{ routes: [route] }], proxy: { workers: 2 } });
      const { program, addr } = proxy;
      const workers = program.workers();
      const memory = () => workers.reduce((sum, pid) => sum + anonymousKib(pid), 0);
      const before = memory();
      const clients: Http2Client[] = [];
      try {
        for (let opened = 0; opened < connections; opened++) {
          const client = await Http2Client.open({ addr, name: NAME, authority, windowBytes: 0 });
          clients.push(client);
          await client.send(concat(...Array.from({ length: STREAMS }, () => client.request("/large"))));
        }
        for (const client of clients) {
          await client.until("all heads", () => client.came.heads === STREAMS);
        }
        await pause(500);
        const growth = memory() - before;
        assert.ok(growth <= HEAP_KIB + connections * HELD_KIB_MAX, `${growth} KiB of ${connections}`);
        assert.ok(clients.every(({ came, isEnded }) => came.contentBytes === 0 && !isEnded));
        await visitOverHttp(addr, NAME, authority);
      } finally {
        await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      }
      await eventually("no connection open", () => sharedMemoryOf(program.pid, 2).total(0) === 0);
      assert.deepEqual(program.workers(), workers);
      await stopQuietly(proxy);
    });
  }
});

Deno.test("more stalled connections than a worker may hold cost it no more, and honest clients nothing", async () => {
  const connections = IS_FULL ? 400 : 120;
  await using site = await openSite();
  const { authority } = site;
  await using backend = largeBackend("h2");
  const route = site.route(NAME, `127.0.0.1:${backend.port}`);
  await using proxy = await startProxy({ listeners: [{ routes: [route] }], proxy: { workers: 1 } });
  const { program, addr } = proxy;
  const [worker] = program.workers();
  const before = anonymousKib(worker!);
  const clients: Http2Client[] = [];
  try {
    let served = 0;
    for (let opened = 0; opened < connections; opened++) {
      const client = await Http2Client.open({ addr, name: NAME, authority, windowBytes: 0 });
      clients.push(client);
      await client.send(concat(...Array.from({ length: STREAMS }, () => client.request("/large"))));
      await client.until("all heads", () => client.came.heads === STREAMS || client.isEnded);
      if (opened % 10 !== 9) continue;
      await visitOverHttp(addr, NAME, authority);
      served++;
      const growth = anonymousKib(worker!) - before;
      const open = clients.filter(({ isEnded }) => !isEnded).length;

      assert.ok(growth <= WORKER_KIB_MAX + open * CONNECTION_KIB + HEAP_KIB, `${growth} KiB of ${open} open`);
    }
    const ended = clients.filter(({ isEnded }) => isEnded);
    assert.equal(served, connections / 10);
    assert.ok(ended.length > connections / 4, `${ended.length} of ${connections} ended`);
    const calm = ended.filter(({ goAwayCode }) => goAwayCode === ErrorCode.ENHANCE_YOUR_CALM);
    assert.ok(calm.length > ended.length / 2, `${calm.length} of ${ended.length} were told`);
    await program.connectionEvent({ reason: "flood" });
    const counted = new SharedCounters(program, 1).counted(floodCounter("worker_buffer"));
    assert.ok(counted >= ended.length, `${counted} counted of ${ended.length}`);
  } finally {
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  }
  await eventually("no connection open", () => sharedMemoryOf(program.pid, 1).total(0) === 0);
  assert.deepEqual(program.workers(), [worker]);
  await stopQuietly(proxy);
});

Deno.test("connections that come and go leave the workers' memory where it was", async () => {
  const total = IS_FULL ? 45_000 : 2_000;
  await using site = await openSite();
  const { authority } = site;
  await using proxy = await startProxy({
    listeners: [{ routes: [site.route(NAME, site.clear)] }],
    proxy: { workers: 2 },
  });
  const { program, addr } = proxy;
  const workers = program.workers();
  const visit = async () => {
    const client = await Http2Client.open({ addr, name: NAME, authority });
    await client.send(client.request("/"));
    await client.until("answer", () => client.came.contentBytes > 0);
    await client[Symbol.asyncDispose]();
  };
  const visits = (count: number) => {
    let left = count;
    return Promise.all(Array.from({ length: 8 }, async () => {
      while (left-- > 0) await visit();
    }));
  };
  /** Mean of samples over a third, so that no single collection of garbage decides. */
  const third = async () => {
    let sum = 0;
    const samples = 10;
    for (let sample = 0; sample < samples; sample++) {
      await visits(Math.ceil(total / 3 / samples));
      sum += workers.reduce((kib, pid) => kib + anonymousKib(pid), 0);
    }
    return sum / samples;
  };
  // A fresh worker's heap grows during its first two thousand connections, whatever they are.
  await visits(IS_FULL ? 0 : 1_500);
  const thirds = [await third(), await third(), await third()];
  const [, middle, last] = thirds;
  const told = `workers' memory in each third of ${total} connections: ${
    thirds.map((kib) => (kib / KIB).toFixed(1)).join(", ")
  } MiB`;
  if (IS_FULL) print(told);
  assert.ok(last! <= middle! * 1.05, told);
  await eventually("no connection open", () => sharedMemoryOf(program.pid, 2).total(0) === 0);
  assert.ok(workers.every((pid) => socketCount(pid) < 20), `${workers.map(socketCount)} sockets`);
  assert.deepEqual(program.workers(), workers);
  await stopQuietly(proxy);
});

async function patternFile(site: Site, bytes: number): Promise<string> {
  const path = `${site.folder}/pattern`;
  using file = await Deno.open(path, { create: true, write: true });
  const part = new Uint8Array(MIB);
  for (let written = 0; written < bytes; written += part.length) {
    fillPattern(part, written);
    for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
  }
  return path;
}

/** What `sha256sum` and the backend say of `bytes` bytes that went down and up. */
async function digests(
  site: Site,
  addr: string,
  flag: string,
  file: string,
  bytes: number,
): Promise<string[]> {
  const [host, port] = addr.split(":");
  const curl =
    `curl -sS --max-time 300 ${flag} --cacert ${site.folder}/ca.pem --resolve ${NAME}:${port}:${host}`;
  const url = `https://${NAME}:${port}`;
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", `${curl} ${url}/bytes/${bytes} | sha256sum; ${curl} -T ${file} ${url}/sha`],
  }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

Deno.test("gibibytes go up and come down unchanged", async (t) => {
  const bytes = (IS_FULL ? 1_024 : 256) * MIB;
  await using site = await openSite();
  const file = await patternFile(site, bytes);
  const sha256 = patternSha256(bytes);
  await serveQuietly({ listeners: [{ routes: [site.route(NAME, site.clear)] }] }, async ({ addr }) => {
    for (const flag of IS_FULL ? ["--http2", "--http1.1"] : ["--http2"]) {
      await t.step(flag, async () => {
        assert.deepEqual(await digests(site, addr, flag, file, bytes), [
          `${sha256}  -`,
          `${sha256} ${bytes}`,
        ]);
      });
    }
  });
});

Deno.test("a request head that trickles in is not waited for", async (t) => {
  await using site = await openSite();
  await using proxy = await startProxy({
    listeners: [{ routes: [site.route(NAME, site.clear)] }],
    http: { request_header_timeout: "1s" },
  });
  const [host, port] = proxy.addr.split(":");
  for (
    const [name, first] of [["a first request", ""], [
      "a later request",
      `GET / HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`,
    ]]
  ) {
    await t.step(name!, async () => {
      const socket = connect({
        host: host!,
        port: Number(port),
        servername: NAME,
        rejectUnauthorized: false,
        ALPNProtocols: ["http/1.1"],
      });
      socket.on("error", () => socket.destroy());
      await once(socket, "secureConnect");
      if (first !== "") {
        socket.write(first!);
        await once(socket, "data");
      }
      socket.on("data", () => {});
      const startedMs = performance.now();
      const closed = once(socket, "close");
      let sent = 0;
      const head = `GET / HTTP/1.1\r\nHost: ${NAME}\r\nX-Slow: ${"x".repeat(1_000)}`;
      const timer = setInterval(() => socket.writable && socket.write(head[sent++]!), 50);
      await closed;
      clearInterval(timer);
      const lastedMs = performance.now() - startedMs;
      assert.ok(lastedMs >= 900 && lastedMs < 5_000, `${lastedMs} ms`);
      assert.ok(sent < 200);
    });
  }
  await proxy.program.connectionEvent({ reason: "http_timeout" });
  await stopQuietly(proxy);
});
