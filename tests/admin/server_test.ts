import assert from "node:assert/strict";
import { Code, ConnectError, createClient, createConnectRouter } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";

import { MESSAGE_BYTES_MAX } from "../../src/admin/call_limits.ts";
import { CALLER } from "../../src/admin/caller.ts";
import { type ClientConn, ClientSession } from "../../src/admin/client_session.ts";
import { Health } from "../../src/admin/gen/grpc/health/v1/health_pb.ts";
import { healthService, HealthState } from "../../src/admin/health.ts";
import { AdminServer } from "../../src/admin/server.ts";
import { loadNative } from "../../src/net/native.ts";
import type { GrpcSettings } from "../../src/state/settings.ts";
import { hasProgram } from "../support/has_program.ts";
import { freePort } from "../support/ports.ts";
import { CertificateAuthority, type LeafOptions } from "../support/certificates.ts";

const SETTINGS: GrpcSettings = {
  addr: "",
  tlsCert: "",
  tlsKey: "",
  clientCa: "",
  allowedClients: ["ops.test"],
  readOnlyClients: ["looker"],
  insecure: false,
  reflection: false,
  clientCert: "",
  clientKey: "",
  serverCa: "",
};

// Once for the process: a test that loads it would count as leaking it.
loadNative();

/** A folder with a server's certificate and an authority's, and a server on it. */
class Host implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "mc-proxy-admin-" });
  readonly health = new HealthState();
  readonly refused: string[] = [];
  readonly callers: string[] = [];
  #server: AdminServer | undefined;

  constructor(readonly serverCa: CertificateAuthority) {}

  static async start(settings: Partial<GrpcSettings> = {}, clientCa?: CertificateAuthority): Promise<Host> {
    const host = new Host(await CertificateAuthority.create("CN=server CA"));
    const { certificate, key } = await host.serverCa.issue({ names: ["127.0.0.1"] });
    host.write("server.crt", certificate);
    host.write("server.key", key);
    if (clientCa !== undefined) host.write("client_ca.crt", clientCa.certificate);
    await host.#listen(settings, clientCa !== undefined);
    return host;
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.folder}/${name}`, text);
  }

  async #listen(settings: Partial<GrpcSettings>, hasClientCa: boolean): Promise<void> {
    const router = createConnectRouter({
      grpc: true,
      connect: false,
      grpcWeb: false,
      readMaxBytes: MESSAGE_BYTES_MAX,
    });
    router.service(Health, {
      ...healthService(this.health),
      check: (_request, { values }) => {
        const { author, mayChange } = values.get(CALLER);
        this.callers.push(`${author} ${mayChange}`);
        return { status: 1 };
      },
    });
    const path = (name: string) => `${this.folder}/${name}`;
    this.#server = await AdminServer.start({
      settings: {
        ...SETTINGS,
        addr: `127.0.0.1:${freePort()}`,
        tlsCert: path("server.crt"),
        tlsKey: path("server.key"),
        clientCa: hasClientCa ? path("client_ca.crt") : "",
        ...settings,
      },
      handlers: [...router.handlers],
      onRefused: (detail) => this.refused.push(detail),
    });
  }

  get server(): AdminServer {
    return this.#server!;
  }

  /** Connects with TLS; with a client's certificate where one is given. */
  async connect(options: LeafOptions | undefined, signer?: CertificateAuthority): Promise<Deno.TlsConn> {
    const pair = options === undefined ? undefined : await signer!.issue(options);
    const conn = await Deno.connectTls({
      hostname: "127.0.0.1",
      port: this.server.port,
      caCerts: [this.serverCa.certificate],
      alpnProtocols: ["h2"],
      ...(pair !== undefined && { cert: pair.certificate, key: pair.key }),
    });
    return conn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Makes one call on a connection. @returns `ok`, or the code that it ended with */
async function check(conn: ClientConn, bytes = 0): Promise<string> {
  const session = new ClientSession(conn);
  try {
    const transport = createTransport({
      httpClient: (request) => session.send(request),
      baseUrl: "http://mc-proxy",
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 1 << 30,
      readMaxBytes: 1 << 20,
      writeMaxBytes: 1 << 30,
    });
    await createClient(Health, transport).check({ service: "x".repeat(bytes) });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    return Code[error.code]!;
  } finally {
    await session.close();
  }
}

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
  for await (const { status } of watch(request, context) as AsyncIterable<{ status: number }>) {
    told.push(status);
    if (told.length === 1) queueMicrotask(() => state.drain());
    else stop.abort();
  }
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
