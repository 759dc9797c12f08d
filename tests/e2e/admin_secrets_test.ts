/**
 * Goal: no text of a key or a certificate leaves the files that it is in.
 * Method: the real program with certificates everywhere and its log at debug; every call that there is, some with key
 * files and key texts where they don't belong; then all answers, errors, log lines, the database and a snapshot are
 * searched.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type DescMethod, type Message, toJsonString } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";

import { connectAdmin } from "../../src/admin/client.ts";
import { ErrorDetailSchema, ProxyAdminService } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { FirewallRuleType, RouteMode } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { freePort } from "../support/ports.ts";
import { AdminSite } from "./admin_tls_site.ts";

/** The lines of what PEM says in base64. */
function bodyOf(pem: string): string[] {
  return pem.split("\n").filter((line) => line.length > 20 && !line.startsWith("-----"));
}

Deno.test("no answer, error, log line, export, snapshot or database holds text of a key or a certificate", async () => {
  await using site = await AdminSite.start("mutual", {}, undefined, { level: "debug" });
  const { folder } = site.files;
  const route = await (await CertificateAuthority.create("CN=route CA")).issue({ names: ["*.test"] });
  const ops = await site.clients.issue({ names: ["ops.test"], usage: "client" });
  const [own, l7] = [await site.write("ops", ops), await site.write("l7", route)];
  const texts = [route.certificate, route.key, ops.certificate, ops.key];
  for (const name of ["server.crt", "server.key", "server_ca.crt", "clients.crt"]) {
    texts.push(await Deno.readTextFile(`${folder}/${name}`));
  }
  await using admin = await connectAdmin({
    addr: site.addr,
    tlsCert: `${folder}/server.crt`,
    serverCa: `${folder}/server_ca.crt`,
    clientCert: own.certificate,
    clientKey: own.key,
  });
  const said: string[] = [];
  const files = {
    tlsCert: l7.certificate,
    tlsKey: l7.key,
    backendTls: true,
    backendCa: `${folder}/clients.crt`,
  };
  const named = (hostname: string, more: object = {}): object => ({
    hostname,
    backend: "127.0.0.1:1",
    mode: RouteMode.L7,
    l7: { ...files, ...more },
  });
  const pasted = `${route.certificate}\n${route.key}`;
  const addr = `127.0.0.1:${freePort()}`;
  const rule = { type: FirewallRuleType.IP, value: "192.0.2.1", comment: "x" };
  /** What each method is asked, in this order. */
  const requests: Record<string, readonly object[]> = {
    getStatus: [{}],
    listListeners: [{}],
    addListener: [{ listener: { addr } }, { listener: { addr: pasted } }],
    removeListener: [{ addr }, { addr: pasted }],
    addRoute: [
      { route: named("l7.test") },
      { route: named("a2.test", { tlsCert: l7.key }) },
      { route: named("a3.test", { tlsKey: l7.certificate }) },
      { route: named("a4.test", { tlsCert: pasted }) },
      { route: named("a5.test", { tlsKey: pasted }) },
      { route: named("a6.test", { backendCa: pasted }) },
      { route: named(pasted) },
      { route: { ...named("a7.test"), backend: pasted } },
      { route: named("a8.test", { backendCa: l7.key }) },
    ],
    updateRoute: [
      { route: { id: 2, maxConnections: 5 }, updateMask: { paths: ["max_connections"] } },
      { route: { id: 2, l7: { tlsKey: pasted } }, updateMask: { paths: ["l7.tls_key"] } },
    ],
    listRoutes: [{}],
    addFirewallRule: [{ rule }, { rule: { ...rule, value: pasted } }],
    getFirewallRules: [{}],
    removeFirewallRule: [{ id: 1 }],
    apply: [{
      operations: [{ operation: { case: "addRoute", value: named("b.test") } }],
      confirmWithin: { seconds: 60n },
    }],
    confirm: [{}],
    listRevisions: [{}],
    diffRevisions: [{ from: 1 }],
    explain: [{ client: "192.0.2.1", said: { case: "serverName", value: "l7.test" } }, { client: pasted }],
    tryRules: [{}],
    listConnections: [{}, { filter: { route: pasted } }],
    closeConnections: [{ all: true }, { filter: { client: pasted } }],
    reload: [{}],
    createSnapshot: [{ path: `${folder}/snapshot.db` }, { path: pasted }],
    exportConfig: [{}],
    getMetrics: [{}],
    removeRoute: [{ id: 2 }, { hostname: pasted }],
    rollback: [{ revision: 2 }],
  };
  const streams = ["watchConnections", "handover"];
  const methods = ProxyAdminService.methods.map(({ localName }) => localName);
  assert.deepEqual([...Object.keys(requests), ...streams].toSorted(), methods.toSorted());
  const api = admin.api as unknown as Record<string, (request: object) => Promise<Message>>;
  const unanswered: string[] = [];
  const ask = async (name: string, request: object): Promise<void> => {
    const method = ProxyAdminService.method as unknown as Record<string, DescMethod>;
    try {
      said.push(toJsonString(method[name]!.output, await api[name]!(request)));
    } catch (error) {
      assert.ok(error instanceof ConnectError, String(error));
      if (request === requests[name]?.[0]) unanswered.push(`${name}: ${error.rawMessage}`);
      said.push(error.rawMessage, JSON.stringify(error.findDetails(ErrorDetailSchema)));
    }
  };
  for (const [name, list] of Object.entries(requests)) for (const request of list) await ask(name, request);
  // Files that hold the wrong thing.
  await Deno.writeTextFile(l7.certificate, route.key);
  await Deno.writeTextFile(`${folder}/server.crt`, ops.key);
  await Deno.writeTextFile(
    `${folder}/clients.crt`,
    `-----BEGIN CERTIFICATE-----\n${bodyOf(ops.key).join("\n")}\n`,
  );
  for (const name of ["reload", "getStatus", "exportConfig", "getMetrics"]) await ask(name, {});
  assert.deepEqual(unanswered, []);
  assert.match(said.join("\n"), /the last reload of grpc failed/);

  const { program, config } = site.proxy;
  program.signal("SIGTERM");
  const { stdout, stderr } = await program.completed();
  const databases = await Promise.all(
    [config.databasePath, `${folder}/snapshot.db`].map(async (path) =>
      new TextDecoder("latin1").decode(await Deno.readFile(path))
    ),
  );
  for (
    const [place, text] of Object.entries({
      stdout,
      stderr,
      answers: said.join("\n"),
      databases: databases.join(""),
    })
  ) {
    assert.doesNotMatch(text, /-----BEGIN|PRIVATE KEY/, place);
    for (const secret of texts.flatMap(bodyOf)) {
      // Some messages quote the beginning of what they were given.
      assert.ok(!text.includes(secret.slice(0, 40)), `${place} holds ${secret}`);
    }
  }
});
