/**
 * Certificates, as RUNBOOK.md rotates them: a route's, the admin API's, and the way in when those are lost.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";
import { freePorts } from "../support/ports.ts";
import { Host } from "./runbook_host.ts";

const ROTATE = "Rotate a certificate";

/** Follows them. */
export async function certificates(t: Deno.TestContext): Promise<void> {
  const [old, fresh] = [
    await CertificateAuthority.create("CN=old"),
    await CertificateAuthority.create("CN=new"),
  ];
  const [port, adminPort] = freePorts(2);
  const names = ["a.test", "127.0.0.1"];
  await using host = await Host.make({
    listeners: [{
      addr: `127.0.0.1:${port}`,
      routes: [{
        hostname: "a.test",
        backend: "127.0.0.1:1",
        mode: "l7",
        tls_cert: "a.crt",
        tls_key: "a.key",
      }],
    }],
    grpc: {
      addr: `127.0.0.1:${adminPort}`,
      tls_cert: "admin.crt",
      tls_key: "admin.key",
      client_ca: "clients.crt",
      allowed_clients: ["operator"],
      client_cert: "operator.crt",
      client_key: "operator.key",
      server_ca: "old.crt",
    },
    proxy: { workers: 1 },
  });
  const put = (name: string, text: string): Promise<void> =>
    Deno.writeTextFile(`${host.folder}/etc/${name}`, text, { mode: 0o600 });
  const putPair = async (name: string, pair: KeyPair): Promise<void> => {
    await put(`${name}.crt`, pair.certificate);
    await put(`${name}.key`, pair.key);
  };
  const operator = { names: ["operator"], subject: "CN=operator", usage: "client" } as const;
  await putPair("a", await old.issue({ names }));
  await putPair("new-a", await fresh.issue({ names }));
  await putPair("admin", await old.issue({ names }));
  await putPair("operator", await old.issue(operator));
  await putPair("new-operator", await fresh.issue(operator));
  for (const name of ["clients", "old"]) await put(`${name}.crt`, old.certificate);
  await put("new.crt", fresh.certificate);
  await host.succeed("systemctl start mc-proxy");
  await t.step("a route's certificate", () => rotate(host));
  await t.step("the admin API's", () => rotateAdmin(host));
  await t.step("locked out", () => lockedOut(host));
}

async function rotate(host: Host): Promise<void> {
  const etc = `${host.folder}/etc`;
  const env = {
    NEW_CERT: `${etc}/new-a.crt`,
    NEW_KEY: `${etc}/new-a.key`,
    CERT: `${etc}/a.crt`,
    KEY: `${etc}/a.key`,
    NAME: "a.test",
    GROUP: String(Deno.gid()),
  };
  const [first, second, ...rest] = (await host.follow(ROTATE, 0, env)).split("\n");
  assert.equal(first, second);
  assert.match(rest.join("\n"), /notAfter=[^]*DNS:a\.test/);
  const before = await host.follow(ROTATE, 2, env);
  assert.match(before, /^sha256 Fingerprint=[0-9A-F:]{95}\nnotAfter=/);
  assert.match(await host.follow(ROTATE, 1, env), /^certificate +\S+ +ok$/m);
  assert.equal((await Deno.stat(env.KEY)).mode! & 0o777, 0o640);
  const shown = await host.follow(ROTATE, 2, env);
  assert.notEqual(shown, before);
  const file = await host.succeed('openssl x509 -in "$CERT" -noout -fingerprint -sha256 -enddate', env);
  assert.equal(shown, file);
  assert.match(await host.follow(ROTATE, 3, env), /^certificate +\S+ +ok$/m);
  assert.equal(await host.follow(ROTATE, 2, env), before);
}

async function rotateAdmin(host: Host): Promise<void> {
  const etc = `${host.folder}/etc`;
  const env = {
    OLD_CA: `${etc}/old.crt`,
    NEW_CA: `${etc}/new.crt`,
    CLIENT_CA: `${etc}/clients.crt`,
    NEW_CLIENT_CERT: `${etc}/new-operator.crt`,
    NEW_CLIENT_KEY: `${etc}/new-operator.key`,
  };
  const status = 'mc-proxy status -c "$CONFIG"';
  const withNew = `${status} --client-cert "$NEW_CLIENT_CERT" --client-key "$NEW_CLIENT_KEY"`;
  assert.match(await host.succeed(status), /^healthy\n/);
  assert.notEqual((await host.run(withNew, env)).code, 0, "the new certificate is taken before its CA is");
  assert.match(await host.follow("Rotate the admin API's certificates", 0, env), /^healthy$/m);
  assert.match(await host.succeed(withNew, env), /^healthy\n/);
  assert.notEqual((await host.run(status)).code, 0, "the old certificate is still taken");
  await host.follow("Rotate the admin API's certificates", 1, env);
  for (const each of [status, withNew]) assert.match(await host.succeed(each, env), /^healthy\n/);
}

/** As when the client certificate in the file is of no use any more. */
async function lockedOut(host: Host): Promise<void> {
  await host.succeed(
    `sed -i 's/^\\[grpc\\]$/  [grpc] # an editor was here/' "$CONFIG" && grep -q editor "$CONFIG"`,
  );
  assert.match(await host.follow("Locked-out admin"), /: no mistakes\n[^]*^healthy$/m);
  assert.match(await host.succeed("mc-proxy routes list -c $CONFIG"), /a\.test/);
  const [now, before] = [
    await Deno.readTextFile(host.configPath),
    await Deno.readTextFile(`${host.configPath}.before`),
  ];
  assert.ok(before.includes("allowed_clients") && !now.includes("allowed_clients"));
  await host.follow("Locked-out admin", 1);
  assert.equal(await Deno.readTextFile(host.configPath), before);
  assert.match(await host.succeed('mc-proxy status -c "$CONFIG"'), /^healthy\n/);
}
