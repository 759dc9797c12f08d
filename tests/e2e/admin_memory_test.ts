/**
 * Goal: a connection to the admin API leaves nothing behind in the main process.
 * Method: the real program; 500 connections one after the other (5,000 with MC_PROXY_TEST_FULL), a call on each, over the
 * Unix socket and over mutual TLS; its memory in the last third beside that of the middle third.
 *
 * @module
 */

import assert from "node:assert/strict";

import { type ClientSettings, connectAdmin } from "../../src/admin/client.ts";
import { anonymousKib, descriptorCount } from "../support/processes.ts";
import { print } from "../support/print.ts";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET } from "./admin_api.ts";
import { AdminSite } from "./admin_tls_site.ts";
import { eventually } from "./eventually.ts";

const CONNECTIONS = Deno.env.has("MC_PROXY_TEST_FULL") ? 5_000 : 500;
/**
 * What a heap may happen to keep: less than 5 % of what the process has in memory, which is above 90 MiB. A connection
 * whose TLS is left behind costs 60 KiB, of 167 from third to third.
 */
const GROWTH_KIB_MAX = 4 * 1_024;

/** Memory of `pid` after each of many connections, by thirds, in KiB. */
async function thirds(pid: number, settings: ClientSettings): Promise<number[]> {
  const sums = [0, 0, 0];
  for (let index = 0; index < CONNECTIONS; index++) {
    await using admin = await connectAdmin(settings);
    await admin.api.listRoutes({});
    sums[Math.floor(index * 3 / CONNECTIONS)]! += anonymousKib(pid);
  }
  return sums.map((sum) => Math.round(sum * 3 / CONNECTIONS));
}

function assertFlat([first, middle, last]: readonly number[]): void {
  const text = `${CONNECTIONS} connections: ${first}, ${middle}, ${last} KiB`;
  assert.ok(last! - middle! < GROWTH_KIB_MAX, text);
  if (CONNECTIONS > 500) print(text);
}

Deno.test("connections one after the other leave nothing behind, on the Unix socket", async () => {
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  const { pid } = proxy.program;
  const addr = `unix:${proxy.config.folder}/admin.sock`;
  const before = descriptorCount(pid);
  assertFlat(await thirds(pid, { addr, tlsCert: "", serverCa: "", clientCert: "", clientKey: "" }));
  await eventually("no descriptor is left", () => descriptorCount(pid) <= before);
});

Deno.test("connections one after the other leave nothing behind, over mutual TLS", async () => {
  await using site = await AdminSite.start("mutual");
  const { pid } = site.proxy.program;
  const pair = await site.clients.issue({ names: ["ops.test"], usage: "client" });
  const client = await site.write("ops", pair);
  const { folder } = site.files;
  const before = descriptorCount(pid);
  assertFlat(
    await thirds(pid, {
      addr: site.addr,
      tlsCert: `${folder}/server.crt`,
      serverCa: `${folder}/server_ca.crt`,
      clientCert: client.certificate,
      clientKey: client.key,
    }),
  );
  await eventually("no descriptor is left", () => descriptorCount(pid) <= before);
});
