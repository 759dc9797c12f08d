import assert from "node:assert/strict";

import { healthService, HealthState } from "../../src/admin/health.ts";
import { AdminServer } from "../../src/admin/server.ts";
import type { GrpcSettings } from "../../src/state/settings.ts";
import { hasProgram } from "../support/has_program.ts";
import { CertificateAuthority, type LeafOptions } from "../support/certificates.ts";
import { check, Host, SETTINGS } from "./server_host.ts";

Deno.test("AdminServer lets in clients whose certificate the current authority signed and whose name is allowed", async () => {
  const ours = await CertificateAuthority.create("CN=clients");
  const theirs = await CertificateAuthority.create("CN=clients");
  await using host = await Host.start({}, ours);
  const past = { notBefore: new Date(0), notAfter: new Date(Date.now() - 60_000) };
  const client = { names: ["ops.test"], usage: "client" } as const;
  const cases: [string, LeafOptions | undefined, CertificateAuthority, isLetIn: boolean][] = [
    ["allowed", client, ours, true],
    ["read only, by common name", { names: [], subject: "CN=looker", usage: "client" }, ours, true],
    ["no certificate", undefined, ours, false],
    ["another authority of that name", client, theirs, false],
    ["not allowed", { names: ["other.test"], usage: "client" }, ours, false],
    ["expired", { ...client, ...past }, ours, false],
    ["a server's", { ...client, usage: "server" }, ours, false],
  ];
  for (const [name, options, signer, isLetIn] of cases) {
    const outcome = await host.connect(options, signer).then((conn) => check(conn), () => "refused");
    assert.equal(outcome === "ok", isLetIn, `${name}: ${outcome}`);
  }
  assert.deepEqual(host.callers, ["CN=ops.test true", "CN=looker false"]);
  assert.match(host.refused.join("\n"), /CN=other\.test: none of its names/);
});

Deno.test("AdminServer.reload() judges new connections by the new authority, and keeps the old on a bad file", async () => {
  const [before, after] = [
    await CertificateAuthority.create("CN=a"),
    await CertificateAuthority.create("CN=b"),
  ];
  await using host = await Host.start({}, before);
  const client = { names: ["ops.test"], usage: "client" } as const;
  const tryWith = (signer: CertificateAuthority) =>
    host.connect(client, signer).then((conn) => check(conn), () => "refused");
  assert.equal(await tryWith(before), "ok");
  host.write("client_ca.crt", "nothing");
  await assert.rejects(() => host.server.reload(), /client_ca/);
  assert.equal(await tryWith(before), "ok");
  host.write("client_ca.crt", after.certificate);
  await host.server.reload();
  assert.notEqual(await tryWith(before), "ok");
  assert.equal(await tryWith(after), "ok");
});

Deno.test("AdminServer refuses a message over 4 MiB and serves on", async () => {
  await using host = await Host.start();
  assert.equal(await check(await host.connect(undefined), 5 << 20), "ResourceExhausted");
  assert.equal(await check(await host.connect(undefined), 3 << 20), "ok");
});

Deno.test("AdminServer closes what comes above 64 connections", async () => {
  await using host = await Host.start({ tlsCert: "", tlsKey: "", insecure: true });
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: host.server.port });
  const open = await Promise.all(Array.from({ length: 64 }, connect));
  const heard = await Promise.all(open.map((conn) => conn.read(new Uint8Array(1))));
  assert.ok(heard.every((count) => count === 1));
  const late = await connect();
  assert.equal(await late.read(new Uint8Array(1)).catch(() => null), null);
  for (const conn of [late, ...open]) conn.close();
});

Deno.test("AdminServer ends what isn't HTTP/2 and serves on", async () => {
  await using host = await Host.start({ tlsCert: "", tlsKey: "", insecure: true });
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: host.server.port });
  const garbage = await connect();
  await garbage.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (const buffer = new Uint8Array(1_024); await garbage.read(buffer).catch(() => null) !== null;);
  garbage.close();
  assert.equal(await check(await connect()), "ok");
});

Deno.test("AdminServer takes a stale Unix socket's place, respects a live one and other files", async () => {
  await using host = await Host.start();
  const path = `${host.folder}/admin.sock`;
  const unix = { addr: `unix:${path}`, tlsCert: "", tlsKey: "" };
  const stale = Deno.listen({ transport: "unix", path });
  await using first = await startWhenStale(stale, unix, path);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  await assert.rejects(() => Host.start(unix), /another process listens/);
  assert.equal(await check(await Deno.connect({ transport: "unix", path })), "ok");
  assert.deepEqual(first.callers, [`uid:${Deno.uid()} true`]);
  const file = `${host.folder}/file`;
  await Deno.writeTextFile(file, "");
  await assert.rejects(() => Host.start({ ...unix, addr: `unix:${file}` }), /is no socket/);
});

Deno.test("AdminServer says so when another program has its port", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addr = `127.0.0.1:${(taken.addr as Deno.NetAddr).port}`;
  const starting = AdminServer.start({ settings: { ...SETTINGS, addr }, handlers: [], onRefused() {} });
  await assert.rejects(starting, { code: "config", message: /cannot listen on .*in use/i });
});

/** Leaves a socket's file behind without a listener, and starts a server on it. */
async function startWhenStale(
  listener: Deno.Listener,
  unix: Partial<GrpcSettings>,
  path: string,
): Promise<Host> {
  listener.close();
  assert.throws(() => Deno.statSync(`${path}.none`));
  return await Host.start(unix);
}

Deno.test("healthService() tells NOT_SERVING to those who watch when the server drains", async () => {
  const state = new HealthState();
  const stop = new AbortController();
  const watch = healthService(state).watch;
  const context = { signal: stop.signal } as Parameters<typeof watch>[1];
  const told: number[] = [];
  const request = { service: "" } as Parameters<typeof watch>[0];
  const late = new Error("too late");
  const all = async (): Promise<void> => {
    for await (const { status } of watch(request, context) as AsyncIterable<{ status: number }>) {
      told.push(status);
      if (told.length === 1) queueMicrotask(() => state.drain());
      else stop.abort(late);
    }
  };
  // What ends the watching is told: it is no good end.
  await assert.rejects(all(), late);
  assert.deepEqual(told, [1, 2]);
  assert.equal(state.statusOf("nothing"), 3);
});

/** Makes a handshake as openssl does, with a ticket file where one is given, and leaves its own ticket in `out`. */
async function handshake(
  host: Host,
  { identity, ticket, out }: { identity?: string; ticket?: string; out: string },
): Promise<{ isServed: boolean; isReused: boolean }> {
  const path = (name: string) => `${host.folder}/${name}`;
  const args = [
    "s_client",
    "-connect",
    `127.0.0.1:${host.server.port}`,
    "-alpn",
    "h2",
    "-tls1_2",
    "-ign_eof",
  ];
  if (identity !== undefined) args.push("-cert", `${identity}.crt`, "-key", `${identity}.key`);
  if (ticket !== undefined) args.push("-sess_in", ticket);
  const child = new Deno.Command("openssl", {
    args: [...args, "-sess_out", path(out)],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let told = "";
  // The server speaks first once it serves: its SETTINGS frame.
  // deno-lint-ignore no-control-regex -- the frame's header is binary
  const settings = /\0\0[^]\x04\0\0\0\0\0/;
  for await (const bytes of child.stdout) {
    told += new TextDecoder("latin1").decode(bytes);
    if (settings.test(told)) break;
  }
  try {
    child.kill("SIGKILL");
  } catch {
    // The server has ended the connection, and openssl itself with it.
  }
  await child.stdin.abort().catch(() => {});
  await child.status;
  return { isServed: settings.test(told), isReused: /^Reused, /m.test(told) };
}

Deno.test({
  name:
    "AdminServer lets in nobody for a ticket: not after a change of the authority, not from another server",
  ignore: !hasProgram("openssl"),
  fn: async () => {
    const [before, after] = [
      await CertificateAuthority.create("CN=a"),
      await CertificateAuthority.create("CN=b"),
    ];
    await using host = await Host.start({}, before);
    const { certificate, key } = await before.issue({ names: ["ops.test"], usage: "client" });
    host.write("ops.crt", certificate);
    host.write("ops.key", key);
    const identity = `${host.folder}/ops`;
    const ticket = `${host.folder}/ticket`;
    assert.equal((await handshake(host, { identity, out: "ticket" })).isServed, true);
    const again = await handshake(host, { identity, ticket, out: "none" });
    assert.deepEqual(again, { isServed: true, isReused: true });
    await using open = await Host.start();
    assert.equal((await handshake(open, { out: "foreign" })).isServed, true);
    const foreign = await handshake(host, { ticket: `${open.folder}/foreign`, out: "none" });
    assert.deepEqual(foreign, { isServed: false, isReused: true });
    host.write("client_ca.crt", after.certificate);
    await host.server.reload();
    assert.equal((await handshake(host, { identity, ticket, out: "none" })).isServed, false);
    assert.equal((await handshake(host, { ticket, out: "none" })).isServed, false);
  },
});
