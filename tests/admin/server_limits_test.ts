import assert from "node:assert/strict";

import { CONNECTIONS_MAX, HANDSHAKE_MS, HANDSHAKES_MAX } from "../../src/admin/call_limits.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { frame } from "../http2/raw_peer.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { clientHello } from "../support/client_hello.ts";
import { greeting, RawGrpc } from "./raw_grpc.ts";
import { check, Host } from "./server_host.ts";

const CLIENT = { names: ["ops.test"], usage: "client" } as const;

/** Reads to the end, whatever it is. */
async function ended(conn: Deno.Conn): Promise<void> {
  for (const buffer = new Uint8Array(1_024); await conn.read(buffer).catch(() => null) !== null;);
}

Deno.test("AdminServer cuts off a client whose certificate expires while it is connected", async () => {
  const authority = await CertificateAuthority.create();
  await using host = await Host.start({}, authority);
  const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 3_600_000);
  using client = new RawGrpc(await host.connect({ ...CLIENT, notAfter }, authority));
  await client.send(greeting());
  assert.equal(await check(await host.connect({ ...CLIENT, notAfter }, authority)), "ok");
  host.unixMs = notAfter.getTime() + 1;
  await client.end();
  assert.match(
    host.refused.join("\n"),
    /127\.0\.0\.1:\d+ CN=ops\.test: its certificate has expired meanwhile/,
  );
});

Deno.test("AdminServer.reload() cuts off a client whom the new authority hasn't signed", async () => {
  const [before, after] = [
    await CertificateAuthority.create("CN=a"),
    await CertificateAuthority.create("CN=b"),
  ];
  await using host = await Host.start({}, before);
  using old = new RawGrpc(await host.connect(CLIENT, before));
  await old.send(greeting());
  host.write("client_ca.crt", before.certificate + after.certificate);
  await host.server.reload();
  using young = new RawGrpc(await host.connect(CLIENT, after));
  await young.send(greeting());
  host.write("client_ca.crt", after.certificate);
  await host.server.reload();
  await old.end();
  assert.equal(host.refused.length, 1);
  assert.match(host.refused[0]!, /not signed by client_ca/);
});

Deno.test("AdminServer lets a client in past as many others as there are places for handshakes, which say nothing", async () => {
  const authority = await CertificateAuthority.create();
  await using host = await Host.start({}, authority);
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: host.server.port });
  const silent = await Promise.all(Array.from({ length: HANDSHAKES_MAX }, connect));
  const hello = clientHello({ serverName: "a.test" });
  for (const conn of silent.slice(32)) await conn.write(hello.subarray(0, 100));
  assert.equal(await check(await host.connect(CLIENT, authority)), "ok");
  // Who came first has made room.
  assert.equal(host.refused.length, 1);
  await ended(silent[0]!);
  for (const conn of silent) conn.close();
});

Deno.test("AdminServer gives a handshake's place back when its client leaves", async () => {
  await using host = await Host.start();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: host.server.port });
  await conn.write(clientHello({ serverName: "a.test" }).subarray(0, 100));
  await conn.closeWrite();
  let isLate = false;
  const timer = setTimeout(() => isLate = true, HANDSHAKE_MS / 2);
  await ended(conn);
  clearTimeout(timer);
  conn.close();
  assert.equal(isLate, false, "only its deadline has ended it");
});

Deno.test("AdminServer ends the oldest handshakes when more come at once than there are places", async () => {
  await using host = await Host.start();
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: host.server.port });
  const surplus = 200;
  const silent = await Promise.all(Array.from({ length: HANDSHAKES_MAX + surplus }, connect));
  let endedCount = 0;
  const endings: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    for (const conn of silent) {
      endings.push(ended(conn).then(() => ++endedCount === surplus ? resolve() : undefined));
    }
  });
  assert.equal(host.refused.length, surplus);
  for (const conn of silent) conn.close();
  await Promise.all(endings);
});

Deno.test("AdminServer ends a handshake that takes ten seconds", async () => {
  await using host = await Host.start();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: host.server.port });
  await conn.write(clientHello({ serverName: "a.test" }).subarray(0, 100));
  await ended(conn);
  conn.close();
  assert.match(host.refused.join("\n"), /went away during the handshake/);
});

Deno.test("AdminServer refuses clients above 64 after their handshakes, and takes the next when one has gone", async () => {
  await using host = await Host.start();
  const open: RawGrpc[] = [];
  for (let index = 0; index < CONNECTIONS_MAX; index++) {
    const client = new RawGrpc(await host.connect(undefined));
    open.push(client);
    // An answer says that it is counted; a handshake that is over for the client isn't yet for the server.
    await client.send(greeting(), frame(FrameType.PING, 0, 0, new Uint8Array(8)));
    await client.line(/^PING/);
  }
  assert.equal(await check(await host.connect(undefined)), "Unavailable");
  assert.match(host.refused.join("\n"), /there are 64 connections already/);
  open.shift()![Symbol.dispose]();
  while (await check(await host.connect(undefined)) !== "ok");
  for (const client of open) client[Symbol.dispose]();
});
