/**
 * Goal: a rotation reaches what comes after it and nothing else: a ticket from before it still resumes, a full handshake
 * shows the new certificate; a backend that the new CA doesn't vouch for gets no new connection, and what runs on an old
 * one finishes.
 * Method: the real program, `openssl s_client` for sessions, a backend in TLS that answers when it is told, SIGHUP.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateFolder } from "../control/certificate_folder.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { derOf, L7Client } from "./l7_client.ts";

const NAME = "a.test";

async function reload({ program }: Proxy): Promise<void> {
  const from = program.events.length;
  program.signal("SIGHUP");
  const { event } = await program.event(({ event }) => /^reload/.test(`${event}`), 10_000, from);
  assert.equal(event, "reloaded");
}

/** What one session told of itself. */
interface Session {
  readonly isResumed: boolean;
  readonly status: number;
  /** Of the leaf: DER in base64. */
  readonly certificate: string;
}

/** One request over a session that is resumed from `file`, or that is written to it. */
async function session(
  addr: string,
  folder: CertificateFolder,
  options: readonly string[],
): Promise<Session> {
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_client", "-connect", addr, "-servername", NAME, "-CAfile", folder.path("ca.pem")],
      ...["-verify_return_error", "-ign_eof", ...options],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(
    new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`),
  );
  await writer.close();
  const text = new TextDecoder().decode((await child.output()).stdout);
  return {
    isResumed: /^Reused, /m.test(text),
    status: Number(/^HTTP\/1\.1 (\d+)/m.exec(text)?.[1] ?? 0),
    certificate: /BEGIN CERTIFICATE/.test(text) ? derOf(text) : "",
  };
}

function httpBackend(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("hello"));
}

Deno.test("a ticket from before a rotation resumes, and a full handshake shows the new certificate", async (t) => {
  if (!hasProgram("openssl")) return print("skipped: openssl is not installed");
  for (const version of ["-tls1_3", "-tls1_2"]) {
    await t.step(version, async () => {
      await using folder = await CertificateFolder.create();
      const old = derOf((await folder.issue("a", NAME)).certificate);
      await folder.write("ca.pem", folder.authority.certificate);
      await using backend = httpBackend();
      const route = {
        hostname: NAME,
        backend: `127.0.0.1:${backend.addr.port}`,
        mode: "l7",
        backend_protocol: "http/1.1",
        tls_cert: folder.path("a.crt"),
        tls_key: folder.path("a.key"),
      };
      // Tickets are good at the worker that gave them.
      await using proxy = await startProxy({ listeners: [{ routes: [route] }], proxy: { workers: 1 } });
      const ask = (...options: string[]) => session(proxy.addr, folder, [version, ...options]);
      const [ticket, later] = [folder.path("ticket"), folder.path("later")];
      assert.deepEqual(await ask("-sess_out", ticket), { isResumed: false, status: 200, certificate: old });
      assert.deepEqual((await ask("-sess_in", ticket)).isResumed, true, "tickets work at all");
      const { certificate } = await folder.issue("a", NAME);
      await reload(proxy);
      const full = await ask("-sess_out", later);
      assert.deepEqual(full, { isResumed: false, status: 200, certificate: derOf(certificate) });
      const resumed = await ask("-sess_in", ticket);
      assert.deepEqual([resumed.isResumed, resumed.status], [true, 200]);
      const again = await ask("-sess_in", later);
      assert.deepEqual([again.isResumed, again.status], [true, 200]);
      await stopQuietly(proxy);
    });
  }
});

Deno.test("a rotated backend_ca rules over new backend connections, and those that it knew finish", async (t) => {
  for (const version of ["h2", "http/1.1"] as const) {
    await t.step(version, async () => {
      await using folder = await CertificateFolder.create();
      await folder.issue("a", NAME);
      const before = await CertificateAuthority.create("CN=before");
      const after = await CertificateAuthority.create("CN=after");
      const { certificate: cert, key } = await before.issue({ names: ["backend.test"] });
      const asked = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const at = { hostname: "127.0.0.1", port: 0, onListen() {}, cert, key };
      await using backend = Deno.serve(at, async ({ url }) => {
        if (!url.endsWith("/open")) return new Response("hello", { headers: { "content-length": "5" } });
        asked.resolve();
        await gate.promise;
        return new Response("late!", { headers: { "content-length": "5" } });
      });
      // Before the backend is waited for, also when the test has failed.
      using _opened = { [Symbol.dispose]: () => gate.resolve() };
      await folder.write("backend.pem", before.certificate);
      const route = {
        hostname: NAME,
        backend: `127.0.0.1:${backend.addr.port}`,
        mode: "l7",
        backend_protocol: version === "h2" ? "h2" : version,
        backend_tls: true,
        backend_ca: folder.path("backend.pem"),
        backend_server_name: "backend.test",
        tls_cert: folder.path("a.crt"),
        tls_key: folder.path("a.key"),
      };
      await using proxy = await startProxy({ listeners: [{ routes: [route] }], proxy: { workers: 1 } });
      const client = () => L7Client.open(proxy.addr, NAME, folder.authority.certificate);
      using running = await client();
      using other = await client();
      const late = running.get("/open");
      await asked.promise;
      assert.equal(await other.get("/"), 200);
      await folder.write("backend.pem", after.certificate);
      await reload(proxy);
      // Neither the connection that is open nor one that is idle vouches for a new request.
      assert.equal(await other.get("/"), 502);
      assert.equal(await other.get("/"), 502);
      gate.resolve();
      assert.equal(await late, 200);
      assert.equal(await running.get("/"), 502);
      await folder.write("backend.pem", `${before.certificate}\n${after.certificate}`);
      await reload(proxy);
      assert.deepEqual([await running.get("/"), await other.get("/")], [200, 200]);
      for (const each of [running, other]) await each.close();
      await stopQuietly(proxy);
    });
  }
});
