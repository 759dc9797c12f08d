/**
 * Goal: RUNBOOK.md's commands for layer 7 do what it says: a certificate is rotated and looked at, a broken one found,
 * failing requests are told by route and one by one.
 * Method: its blocks as they stand, against the real program with a layer-7 route whose backend isn't there.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";
import { L7Client } from "./l7_client.ts";
import { Host } from "./runbook_host.ts";

const NAME = "a.test";
const ROTATE = "Rotate a certificate";
const UNUSABLE = "Certificate unusable";
const FAIL = "Requests fail";

async function writePair(host: Host, stem: string, pair: KeyPair): Promise<void> {
  await Deno.writeTextFile(`${host.config.folder}/${stem}.crt`, pair.certificate);
  await Deno.writeTextFile(`${host.config.folder}/${stem}.key`, pair.key);
}

Deno.test("RUNBOOK.md's commands rotate a certificate and tell why requests fail", async () => {
  const authority = await CertificateAuthority.create();
  const routes = [{
    hostname: NAME,
    backend: "127.0.0.1:1",
    mode: "l7",
    tls_cert: "a.crt",
    tls_key: "a.key",
  }];
  await using host = await Host.make(routes, { requests: true });
  await writePair(host, "a", await authority.issue({ names: [NAME] }));
  await writePair(host, "new", await authority.issue({ names: [NAME] }));
  await host.follow("Start");
  const { folder } = host.config;
  const env = {
    NAME,
    CERT: `${folder}/a.crt`,
    KEY: `${folder}/a.key`,
    NEW_CERT: `${folder}/new.crt`,
    NEW_KEY: `${folder}/new.key`,
  };
  const shown = await host.follow(ROTATE, 2, env);
  assert.match(shown, /^sha256 Fingerprint=[0-9A-F:]{95}\nnotAfter=.* GMT\n$/);
  const [ofCertificate, ofKey, ...rest] = (await host.follow(ROTATE, 0, env)).split("\n");
  assert.equal(ofCertificate, ofKey);
  assert.match(rest.join("\n"), /DNS:a\.test/);
  assert.match(
    await host.follow(ROTATE, 1, env),
    /"event":"reloaded","what":"certificate","generation":1\}\n$/,
  );
  assert.notEqual(await host.follow(ROTATE, 2, env), shown);

  await Deno.writeTextFile(env.CERT, "no certificate");
  assert.match(await host.follow(ROTATE, 1, { ...env, NEW_CERT: env.CERT }), /"event":"reload_failed"/);
  assert.match(await host.follow(UNUSABLE), /"event":"reload_failed","what":"certificate".*a\.crt/);

  using client = await L7Client.open(host.addr, NAME, authority.certificate);
  assert.equal(await client.get("/lost"), 502);
  assert.match(await host.follow(FAIL), /^mcproxy_requests_total\{route="\S+ a\.test",class="5xx"\} 1\n$/);
  assert.match(await host.follow(FAIL, 1), /"event":"request".*"path":"\/lost","status":502,.*\n$/);
});
