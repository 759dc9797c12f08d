/**
 * Goal: certificates are exchanged while clients are served: no connection ends, new handshakes show the new one; what
 * is broken is said and changes nothing; a route without usable certificate refuses and the others serve.
 * Method: the real program with two workers, files exchanged under it, SIGHUP; clients that look at what they are shown.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateFolder } from "../control/certificate_folder.ts";

import { clientHello } from "../support/client_hello.ts";
import type { RouteTable } from "../support/config.ts";
import type { LogEvent } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { exchange, parseAlert } from "../support/raw_client.ts";
import { endings } from "./endings.ts";
import { derOf, L7Client } from "./l7_client.ts";

const WORKERS = 2;
const NAME = "a.test";
const OTHER = "other.test";
/** Enough that each worker has taken some. */
const HANDSHAKES = 12;
const CLIENTS = 8;
const ROTATIONS = 5;
/** Two seconds' worth at 20 a second: about what the rotations take. */
const H2_REQUESTS = 40;

function httpBackend(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("hello"));
}

function route(folder: CertificateFolder, hostname: string, stem: string, backend: string): RouteTable {
  const files = { tls_cert: folder.path(`${stem}.crt`), tls_key: folder.path(`${stem}.key`) };
  return { hostname, backend, mode: "l7", backend_protocol: "http/1.1", ...files };
}

/** What a scenario runs with: two routes, each with a certificate of its own unless `spoil` takes it away. */
async function withProxy(
  use: (proxy: Proxy, folder: CertificateFolder) => Promise<void>,
  spoil: (folder: CertificateFolder) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", NAME);
  await folder.issue("other", OTHER);
  await spoil(folder);
  await using backend = httpBackend();
  const addr = `127.0.0.1:${backend.addr.port}`;
  const routes = [route(folder, NAME, "a", addr), route(folder, OTHER, "other", addr)];
  await using proxy = await startProxy({ listeners: [{ routes }], proxy: { workers: WORKERS } });
  await use(proxy, folder);
}

/** Asks over h2 again and again. @returns the version of each answer and how many connections it took */
async function askOverH2({ addr }: Proxy, folder: CertificateFolder): Promise<string[]> {
  await folder.write("ca.pem", folder.authority.certificate);
  const [host, port] = addr.split(":");
  const { stdout } = await new Deno.Command("curl", {
    args: [
      ...["--silent", "--show-error", "--fail", "--http2", "--rate", "20/s", "--max-time", "30"],
      ...["--cacert", folder.path("ca.pem"), "--resolve", `${NAME}:${port}:${host}`],
      ...["--output", "/dev/null", "--write-out", "%{http_version} %{num_connects}\n"],
      `https://${NAME}:${port}/[1-${H2_REQUESTS}]`,
    ],
  }).output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** Sends SIGHUP and waits for what the log says of it. */
async function reload({ program }: Proxy): Promise<LogEvent> {
  const from = program.events.length;
  program.signal("SIGHUP");
  return await program.event(({ event }) => /^reload/.test(`${event}`), 10_000, from);
}

/** The one certificate that new handshakes show, whichever worker takes them. */
async function shownTo({ addr }: Proxy, folder: CertificateFolder, name = NAME): Promise<string> {
  const shown = new Set<string>();
  for (let count = 0; count < HANDSHAKES; count++) {
    using client = await L7Client.open(addr, name, folder.authority.certificate);
    assert.equal(await client.get("/"), 200);
    shown.add(client.certificate);
    await client.close();
  }
  assert.equal(shown.size, 1, "the workers differ");
  return [...shown][0]!;
}

function assertKeysUntold({ program }: Proxy, keys: readonly string[]): void {
  const { stdout, stderr } = program.output;
  for (const line of keys.flatMap((key) => key.split("\n")).filter((line) => /^[\w+/=]{16,}$/.test(line))) {
    assert.ok(!`${stdout}${stderr}`.includes(line), "a key was told");
  }
}

Deno.test("certificates rotate under load: no connection ends, new handshakes show the new one", async () => {
  await withProxy(async (proxy, folder) => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => L7Client.open(proxy.addr, NAME, folder.authority.certificate)),
    );
    let isOver = false;
    const load = clients.map(async (client) => {
      let answers = 0;
      for (; !isOver; answers++) assert.equal(await client.get("/"), 200);
      return answers;
    });
    const overH2 = askOverH2(proxy, folder);
    const keys: string[] = [];
    const others = await shownTo(proxy, folder, OTHER);
    for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
      const { certificate, key } = await folder.issue("a", NAME);
      keys.push(key);
      const { event, what, generation } = await reload(proxy);
      assert.deepEqual([event, what, generation], ["reloaded", "certificate", rotation]);
      assert.equal(await shownTo(proxy, folder), derOf(certificate));
    }
    assert.equal(await shownTo(proxy, folder, OTHER), others);
    isOver = true;
    for (const answers of await Promise.all(load)) assert.ok(answers > ROTATIONS, `${answers} answers`);
    for (const client of clients) await client.close();
    assert.deepEqual(await overH2, ["2 1", ...Array(H2_REQUESTS - 1).fill("2 0")]);
    const count = 1 + CLIENTS + (ROTATIONS + 2) * HANDSHAKES;
    await endings(proxy, count);
    const connections = await stopQuietly(proxy);
    assert.equal(connections.length, count);
    assert.deepEqual(new Set(connections.map(({ reason }) => reason)), new Set(["client_eof"]));
    assertKeysUntold(proxy, keys);
  });
});

Deno.test("a broken new certificate keeps the old one and is said, and the next good one is taken", async () => {
  await withProxy(async (proxy, folder) => {
    const old = await shownTo(proxy, folder);
    await folder.write("a.key", (await folder.issue("b", NAME)).key);
    const failed = await reload(proxy);
    assert.deepEqual([failed["event"], failed["what"], failed["route"]], [
      "reload_failed",
      "certificate",
      NAME,
    ]);
    assert.match(`${failed["detail"]}`, /a\.crt" and ".*a\.key": the private key is not that of/);
    assert.equal(await shownTo(proxy, folder), old);
    const { certificate, key } = await folder.issue("a", NAME);
    assert.equal((await reload(proxy))["event"], "reloaded");
    assert.equal(await shownTo(proxy, folder), derOf(certificate));
    assertKeysUntold(proxy, [key]);
  });
});

Deno.test("a worker that replaces a dead one shows the certificate of the last rotation", async () => {
  await withProxy(async (proxy, folder) => {
    const { certificate } = await folder.issue("a", NAME);
    await reload(proxy);
    const { program } = proxy;
    const from = program.events.length;
    Deno.kill(program.workers()[0]!, "SIGKILL");
    await program.event(({ event }) => event === "worker_replaced", 10_000, from);
    assert.equal(await shownTo(proxy, folder), derOf(certificate));
  });
});

Deno.test("a route whose certificate is broken at start answers alert 80 until it is mended, the others serve", async () => {
  await withProxy(async (proxy, folder) => {
    const { program, addr } = proxy;
    const { level, route, detail } = await program.event(({ event }) => event === "certificate_unusable");
    assert.deepEqual([level, route], ["error", NAME]);
    assert.match(`${detail}`, /^cannot read .*a\.crt/);
    await shownTo(proxy, folder, OTHER);
    const { bytes } = await exchange(addr, clientHello({ serverName: NAME, alpn: ["http/1.1"] }));
    assert.deepEqual(parseAlert(bytes), { level: 2, description: 80 });
    await program.connectionEvent({ reason: "certificate_unusable", sni: NAME });
    const { certificate } = await folder.issue("a", NAME);
    assert.equal((await reload(proxy))["event"], "reloaded");
    assert.equal(await shownTo(proxy, folder), derOf(certificate));
  }, (folder) => Deno.remove(folder.path("a.crt")));
});

Deno.test("an expired certificate is served and warned of", async () => {
  const dates = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() - 60_000) };
  await withProxy(async ({ program, addr }, folder) => {
    const { level, route } = await program.event(({ event }) => event === "certificate_expired");
    assert.deepEqual([level, route], ["warning", NAME]);
    await assert.rejects(L7Client.open(addr, NAME, folder.authority.certificate));
    using client = await L7Client.open(addr, NAME);
    assert.equal(client.certificate, derOf(await Deno.readTextFile(folder.path("a.crt"))));
    assert.equal(await client.get("/"), 200);
    await client.close();
  }, async (folder) => {
    await folder.issue("a", NAME, dates);
  });
});
