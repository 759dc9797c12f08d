/**
 * Goal: a watcher that doesn't keep up is dropped and told so; nothing is kept for it.
 * Method: the real program; a client whose window is shut while more connections end than may wait for it.
 *
 * @module
 */

import assert from "node:assert/strict";

import { FrameType } from "../../src/http2/frames.ts";
import { callHeaders, greeting, lastMessage, RawGrpc } from "../admin/raw_grpc.ts";
import { frame, uint32 } from "../http2/raw_peer.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { ADMIN_SOCKET } from "./admin_api.ts";

const INITIAL_WINDOW = 4;
/** More than may wait. */
const CONNECTIONS = 1_100;

Deno.test("a watcher that reads nothing gets what may wait for it, then RESOURCE_EXHAUSTED", async () => {
  await using echo = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: echo.addr }] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  const path = `${proxy.config.folder}/admin.sock`;
  using client = new RawGrpc(await Deno.connect({ transport: "unix", path }));
  await client.send(
    greeting([INITIAL_WINDOW, 0]),
    callHeaders(1, "/mc_proxy.v1.ProxyAdminService/WatchConnections"),
    lastMessage(1),
  );
  const hello = clientHello({ serverName: "unknown.test" });
  // The answer begins with the first event.
  while (!client.lines.some((line) => line.startsWith("HEADERS 1 200"))) await exchange(proxy.addr, hello);
  for (let count = 0; count < CONNECTIONS; count += 20) {
    await Promise.all(Array.from({ length: 20 }, () => exchange(proxy.addr, hello)));
  }
  await proxy.program.event(() =>
    proxy.program.events.filter(({ sni }) => sni === "unknown.test").length >= CONNECTIONS
  );
  assert.ok(!client.lines.some((line) => line.startsWith("DATA")));
  const more = uint32(0x3fff_ffff);
  await client.send(frame(FrameType.WINDOW_UPDATE, 0, 1, more), frame(FrameType.WINDOW_UPDATE, 0, 0, more));
  await client.line(/^HEADERS 1 trailers .*grpc-status 8 /);
});
