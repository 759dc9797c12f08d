/**
 * Goal: the admin API's certificates are replaced without a restart, and a bad file is told and changes nothing.
 * Method: the real program with mutual TLS; its files are rewritten, SIGHUP is sent, clients of the old and of the new
 * authority come.
 *
 * @module
 */

import assert from "node:assert/strict";

import { type AdminClient, connectAdmin } from "../../src/admin/client.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { codeOf } from "./admin_api.ts";
import { AdminSite } from "./admin_tls_site.ts";

/** A client that trusts what `server_ca.crt` holds now. */
async function come(site: AdminSite, signer: CertificateAuthority): Promise<AdminClient> {
  const { folder } = site.files;
  const pair = await signer.issue({ names: ["ops.test"], usage: "client" });
  const { certificate: clientCert, key: clientKey } = await site.write("ops", pair);
  return await connectAdmin({
    addr: site.addr,
    tlsCert: `${folder}/server.crt`,
    serverCa: `${folder}/server_ca.crt`,
    clientCert,
    clientKey,
  });
}

/** What comes of a call by a client of `signer`. */
async function outcomeOf(site: AdminSite, signer: CertificateAuthority): Promise<string> {
  await using admin = await come(site, signer);
  return await codeOf(admin.api.listRoutes({}));
}

Deno.test("SIGHUP reads the admin API's certificates again, and cuts off whom they don't let in any more", async () => {
  await using site = await AdminSite.start("mutual");
  const { program } = site.proxy;
  const { folder } = site.files;
  const reread = async (event: string): Promise<void> => {
    const from = program.events.length;
    program.signal("SIGHUP");
    await program.event((each) => each["event"] === event && each["what"] === "grpc", 10_000, from);
  };
  await using old = await come(site, site.clients);
  const stream = old.api.watchConnections({})[Symbol.asyncIterator]();
  const cut = stream.next().then(() => "an event", () => "cut");
  assert.equal(await outcomeOf(site, site.clients), "none");

  const [clients, own] = [
    await CertificateAuthority.create("CN=c2"),
    await CertificateAuthority.create("CN=s2"),
  ];
  const { certificate, key } = await own.issue({ names: ["127.0.0.1"] });
  await Deno.writeTextFile(`${folder}/clients.crt`, clients.certificate);
  await Deno.writeTextFile(`${folder}/server.crt`, certificate);
  await Deno.writeTextFile(`${folder}/server.key`, key);
  await Deno.writeTextFile(`${folder}/server_ca.crt`, own.certificate);
  await reread("reloaded");
  assert.equal(await cut, "cut");
  assert.equal(await outcomeOf(site, site.clients), "Unavailable");
  assert.equal(await outcomeOf(site, clients), "none");

  await Deno.writeTextFile(`${folder}/server.key`, "nothing");
  await reread("reload_failed");
  await using admin = await come(site, clients);
  const { status } = await admin.api.getStatus({});
  assert.match(status!.problems.join("\n"), /the last reload of grpc failed: \[grpc\] tls_cert: /);
  assert.match((await admin.api.getMetrics({})).text, /^mcproxy_reload_failures_total\{what="grpc"\} 1$/m);
  await Deno.writeTextFile(`${folder}/server.key`, key);
  const { results } = await admin.api.reload({});
  assert.deepEqual(results.map(({ what, problem }) => [what, problem]).filter(([what]) => what === "grpc"), [
    ["grpc", ""],
  ]);
  assert.equal((await admin.api.getStatus({})).status?.isHealthy, true);
});
