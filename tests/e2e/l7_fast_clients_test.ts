/**
 * Goal: who sends faster than he is served costs neither memory nor anybody else's time, and is missed when he goes.
 * Method: the real program; uploads to a backend that reads nothing, until no byte more is taken, and a RST then; and one
 * in TLS records of a byte each, which costs the worker far more time than its client, with an honest client beside it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { connect } from "node:tls";
import { silentBackend } from "../support/backends.ts";
import { hasProgram } from "../support/has_program.ts";
import { LineReader } from "../support/line_reader.ts";
import { print } from "../support/print.ts";
import { pssKib } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { serveQuietly, stopQuietly } from "../support/quiet.ts";
import { scriptedBackend } from "../support/scripted_backend.ts";
import { eventually } from "./eventually.ts";
import { fill } from "./fill.ts";
import { L7Client } from "./l7_client.ts";
import { openSite } from "./l7_site.ts";

const NAME = "h1.test";
const MIB = 1_048_576;
const UPLOAD_BYTES = 256 * MIB;
/** What the kernel holds of both connections at most, and the worker of one. */
const HELD_BYTES_MAX = 32 * MIB;
const GROWTH_KIB_MAX = 32 * 1_024;
/** How long nothing moves before it counts as standing still. */
const STILL_MS = 500;
/** A look each second, at what has been stalled for one. */
const NOTICED_MS = 6_000;
const TINY_RECORDS = 800_000;
const FOLDER = new URL(".", import.meta.url).pathname;

/** Sends without end, until nothing more is taken or `UPLOAD_BYTES` are. @returns what was taken */
async function uploadUntilStill(port: number, before?: Promise<unknown>): Promise<number> {
  const socket = connect({ host: "127.0.0.1", port, servername: NAME, rejectUnauthorized: false });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  const head = `POST /upload HTTP/1.1\r\nHost: ${NAME}\r\nContent-Length: ${UPLOAD_BYTES}\r\n\r\n`;
  const content = new Uint8Array(65_536);
  let taken = 0;
  let lastMs = performance.now();
  const write = () => {
    socket.write(content, () => {
      taken += content.length;
      lastMs = performance.now();
      if (taken < UPLOAD_BYTES) write();
    });
  };
  socket.write(head);
  await before;
  write();
  await eventually(
    "the upload stands still or is over",
    () => taken >= UPLOAD_BYTES || performance.now() - lastMs > STILL_MS,
    60_000,
  );
  socket.destroy();
  return taken;
}

Deno.test("an upload that a backend doesn't read waits in the kernel", async (t) => {
  await using site = await openSite();
  using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const route = site.route(NAME, `127.0.0.1:${backend.addr.port}`, { backend_protocol: "http/1.1" });
  await using proxy = await startProxy({ listeners: [{ routes: [route] }], proxy: { workers: 1 } });
  const [worker] = proxy.program.workers();
  const before = pssKib(worker!);
  for (const isAtOnce of [true, false]) {
    await t.step(isAtOnce ? "that begins with the handshake's end" : "that begins later", async () => {
      const accepting = backend.accept();
      const port = Number(proxy.addr.split(":")[1]);
      const taken = await uploadUntilStill(port, isAtOnce ? undefined : accepting);
      assert.ok(taken <= HELD_BYTES_MAX, `${taken} bytes were taken`);
      const growth = pssKib(worker!) - before;
      assert.ok(growth <= GROWTH_KIB_MAX, `${growth} KiB more for ${taken} bytes`);
      (await accepting).close();
    });
  }
  await stopQuietly(proxy);
});

Deno.test("a client's RST ends an upload over HTTP/1.1 to a backend that doesn't read", async () => {
  const ended = Promise.withResolvers<void>();
  await using backend = scriptedBackend(() => ended.promise);
  await using site = await openSite();
  const routes = [site.route(NAME, backend.addr, { backend_protocol: "http/1.1" })];
  const [event] = await serveQuietly({ listeners: [{ routes }] }, async ({ addr, program }) => {
    const [host, port] = addr.split(":");
    const socket = net.connect({ host: host!, port: Number(port) });
    const secured = connect({ socket, servername: NAME, rejectUnauthorized: false });
    secured.on("error", () => {});
    await once(secured, "secureConnect");
    secured.write(`PUT / HTTP/1.1\r\nHost: ${NAME}\r\nContent-Length: 1000000000\r\n\r\n`);
    await fill((bytes) => new Promise((resolve) => secured.write(bytes, resolve)));
    socket.resetAndDestroy();
    await program.connectionEvent({}, NOTICED_MS);
    ended.resolve();
  });
  assert.equal(event!["reason"], "client_reset");
});

Deno.test("an upload in records of one byte holds nobody up", async () => {
  if (!hasProgram("python3")) return print("skipped: there is no python3, which makes the records");
  await using site = await openSite();
  await using sink = silentBackend();
  const routes = [
    site.route(NAME, sink.addr, { backend_protocol: "http/1.1" }),
    site.route("h2c.test", site.clear),
  ];
  await using proxy = await startProxy({ listeners: [{ routes }], proxy: { workers: 1 } });
  using honest = await L7Client.open(proxy.addr, "h2c.test", site.authority);
  const [host, port] = proxy.addr.split(":");
  const args = [`${FOLDER}/tiny_records.py`, host!, port!, NAME, `${TINY_RECORDS}`];
  const child = new Deno.Command("python3", { args, stdin: "null", stdout: "piped" }).spawn();
  const lines: string[] = [];
  const reader = new LineReader(child.stdout, (line) => lines.push(line));
  let served = 0;
  while (!lines.includes("ends")) {
    const hasBegun = lines.includes("begins");
    assert.equal(await honest.get("/honest"), 200);
    if (hasBegun && !lines.includes("ends")) served++;
  }
  assert.ok((await child.status).success);
  await reader.done;
  await honest.close();
  // Without rests it was none, or one that came first.
  assert.ok(served >= 3, `${served} requests were served meanwhile`);
  await stopQuietly(proxy);
});
