/**
 * What is done on any day, as RUNBOOK.md says it: check, start, look, change, block, reload, copy, stop, restore, move.
 *
 * @module
 */

import assert from "node:assert/strict";
import { countryDatabase } from "../support/country_database.ts";
import { freePort } from "../support/ports.ts";
import { RUNBOOK, takeBlock } from "./runbook_blocks.ts";
import { corrupt, schema, stopAndRestore } from "./runbook_database.ts";
import { Host, nextSecond } from "./runbook_host.ts";

const LOOK = "First five minutes";
const CHANGE = "Change listeners, routes, firewall rules";
const RUN = "Start, stop, restart";

function tables() {
  return {
    listeners: [{
      addr: `127.0.0.1:${freePort()}`,
      routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }],
    }],
    firewall: { geoip_db: "countries.mmdb" },
    proxy: { shutdown_timeout: "2s", workers: 1 },
  };
}

async function makeHost(): Promise<Host> {
  const host = await Host.make(tables());
  const countries = countryDatabase({ "127.1.0.0/16": "DE" });
  await Deno.writeFile(`${host.folder}/etc/countries.mmdb`, countries);
  return host;
}

/** Follows them in order. */
export async function daily(t: Deno.TestContext): Promise<void> {
  await using host = await makeHost();
  await t.step("check and start", () => checkAndStart(host));
  await t.step("look", () => look(host));
  await t.step("change", () => change(host));
  await t.step("block", () => block(host));
  await t.step("reload", () => reload(host));
  await t.step("copy", () => copy(host));
  await t.step("take over", () => takeOver(host));
  await t.step("move", () => move(host));
  await t.step("a damaged database", () => corrupt(host));
  await t.step("stop and restore", () => stopAndRestore(host));
  await t.step("a schema that is too new", () => schema(host));
  await t.step("room on the disk", () => room(host));
}

async function checkAndStart(host: Host): Promise<void> {
  assert.match(await host.follow("Check a configuration"), /: no mistakes\ndatabase \S+ \(new: /);
  assert.match(await host.follow("McProxyDown"), /^inactive\n/);
  assert.match(await host.fail("Card", 1), /is the server running/);
  assert.match(await host.follow(RUN), /^healthy\n/);
  assert.match(await host.follow("McProxyDown"), /^active\n.*"event":"ready"/s);
  const examined = await host.fail("Examine the host");
  assert.match(examined, /^ok {7}port \S+: process \d+ or its workers listen on it$/m);
  assert.match(examined, /^error {4}backend 127\.0\.0\.1:1: nobody listens there/m);
  // What the sample shows is what is printed, in its order; here there are a country database and no snapshot, too.
  const sample = RUNBOOK.split("mc-proxy doctor -c")[1]!.split("```")[2]!;
  const whats = (text: string): string[] =>
    [...text.matchAll(/^(?:ok|warning|error) +([a-z]+(?: of (?:process|this shell))?)/gm)].map(([, what]) =>
      what!
    );
  assert.deepEqual(whats(examined).filter((what) => what !== "geoip"), whats(sample));
  const { code, err } = await host.run('mc-proxy server -c "$CONFIG"');
  assert.equal(code, 1);
  assert.match(err, /is in use by another mc-proxy \(process \d+\)/);
}

async function look(host: Host): Promise<void> {
  await host.connect("nowhere.test", "unknown_name");
  await host.connect("a.test", "dial_failed");
  assert.match(await host.follow("Card", 1), /^healthy\n.* revision 1\.0\n0 connections open/);
  assert.match(await host.follow("Card", 2, { NAME: "a.test" }), /alert internal error/);
  assert.match(await host.follow("Card", 2, { NAME: "nowhere.test" }), /unrecognized name/);
  for (const reason of ["dial_failed", "unknown_name"]) await host.told(reason, 2);
  assert.match(await host.follow(LOOK, 0), /^healthy\n[^]*"event":"ready"/);
  assert.match(
    await host.follow(LOOK, 1),
    /^ +2 unknown_name\n +2 dial_failed$|^ +2 dial_failed\n +2 unknown_name$/m,
  );
  const explained = { CLIENT: "192.0.2.1", NAME: "a.test" };
  assert.match(await host.follow(LOOK, 2, explained), /^goes to 127\.0\.0\.1:1\n/);
  const processes = await host.follow(LOOK, 3);
  assert.equal(processes.match(/^\d+ descriptors \d+ pss_kib \d+$/gm)?.length, 2, processes);
  assert.match(await host.follow(LOOK, 4), /mc-proxy\.toml\n1 .* seed [^]*\nmc-proxy \d/);
  assert.match(await host.follow("McProxySilent"), /^healthy\n/);
  assert.match(
    await Deno.readTextFile(`${host.folder}/mc-proxy.prom`),
    /^mcproxy_config_revision 1$/m,
  );
  assert.match(await host.follow("Memory grows"), /^0 connections open[^]*^0 connections$/m);
  assert.match(await host.follow("The admin API doesn't answer"), /^srw-------[^]* server -c /);
  assert.match(
    await host.follow("Capacity"),
    /^net\.core\.somaxconn = \d+\n([^]*\n){2}net\.ipv4\.tcp_migrate_req = /,
  );
}

async function change(host: Host): Promise<void> {
  const changed = await host.follow(CHANGE, 0);
  assert.match(
    changed,
    /^revision 2\nrevision 3\n[^]* b\.example\.org +127\.0\.0\.1:10 [^]*^revision 4, 0 open/m,
  );
  assert.match(await host.follow("Conflicts of versions"), /^4 .* rpc [^]*^ +3 uid:\d+$/m);
  const rolled = await host.follow("Roll back the configuration", 0, { GOOD: "3" });
  assert.match(rolled, /\+ route \S+ b\.example\.org -> 127\.0\.0\.1:10/);
  // The file has no such route: apply takes it away, and keeps that only because it is confirmed.
  assert.match(
    await host.follow(CHANGE, 1),
    /^- route \S+ b\.example\.org [^]*^revision 6$[^]*^revision 6 stays$/m,
  );
  assert.match(await host.follow(CHANGE, 2), /\.exported: no mistakes\n/);
  assert.doesNotMatch(await host.succeed('mc-proxy routes list -c "$CONFIG"'), /b\.example\.org/);
}

async function block(host: Host): Promise<void> {
  const out = await host.follow("Block an address", 0, { NAME: "a.test" });
  assert.match(
    out,
    /^\d+ +block +ip +198\.51\.100\.7 +enforce +until .* abuse, ticket 7\ndenied with a RST: blocked_ip\n/m,
  );
  const rule = /^(\d+) +block/m.exec(out)![1]!;
  await host.follow("Block an address", 1, { RULE: rule });
  assert.doesNotMatch(await host.succeed('mc-proxy firewall list -c "$CONFIG"'), /198\.51\.100\.7/);
  const { success } = await new Deno.Command("unshare", { args: ["-n", "true"], stderr: "null" }).output();
  const text = takeBlock("Block an address", 2);
  if (success) {
    // In a network of its own, that this machine's isn't touched.
    const alone = `unshare -n bash -c '${text.replaceAll("\n", "; ")} ip route show type blackhole | wc -l'`;
    assert.match(await host.succeed(alone), /^blackhole 198\.51\.100\.7 ?\n0\n$/);
  }
  await host.succeed('mc-proxy firewall add -c "$CONFIG" cidr 127.0.0.8/30');
  await host.connect("a.test", "blocked_cidr", "127.0.0.8");
  const many = await host.follow("McProxyManyBlocked", 0);
  assert.match(many, /^ +1 "rule":"cidr:127\.0\.0\.8\/30"\n +1 127\.0\.0\.8\n/);
  await host.follow("McProxyManyBlocked", 1, { RANGE: "127.0.0.8/32" });
  await host.connect("a.test", "dial_failed", "127.0.0.8");
  await host.connect("a.test", "blocked_cidr", "127.0.0.9");
}

async function reload(host: Host): Promise<void> {
  const path = `${host.folder}/etc/countries.mmdb`;
  const good = await Deno.readFile(path);
  const replace = async (bytes: Uint8Array): Promise<void> => {
    await Deno.writeFile(`${path}.new`, bytes);
    await Deno.rename(`${path}.new`, path);
  };
  await replace(countryDatabase({ "127.1.0.0/16": "FR" }));
  assert.match(await host.follow("Reload files"), /^geoip +\S+ +ok$/m);
  await replace(good.subarray(0, 100));
  assert.match(await host.fail("Reload files"), /^geoip +\S+ +\S/m);
  assert.match(
    await host.follow("McProxyReloadFailed"),
    /^reload geoip +\S+ +(?!ok)[^]*"event":"reload_failed"/m,
  );
  await replace(good);
  await host.succeed("systemctl reload mc-proxy");
  await host.succeed(`until log | tail -n 1 | grep '"event":"reloaded","what":"geoip"'; do sleep 0.05; done`);
  assert.match(await host.follow("McProxyGeoipOld"), /^GeoIP database of \d{4}-/);
  assert.match(
    await host.follow("McProxyGeoipDamaged"),
    /^mcproxy_geoip_lookup_errors_total 0\n[^]*^mcproxy_geoip_age_seconds \d/m,
  );
}

async function copy(host: Host): Promise<void> {
  const out = await host.follow("Take a snapshot", 0);
  assert.match(out, /-rw------- .* mc-proxy-\d{8}T\d{6}Z\.db\n/);
  await nextSecond();
  assert.match(
    await host.follow("McProxySnapshotFailed"),
    /mc-proxy-\S+\.db: \d+ bytes, revision \d+, integrity verified\n$/,
  );
  const COPY = `${host.folder}/copy.db`;
  assert.equal(
    (await host.follow("Take a snapshot", 1, { COPY })).replace(/\d+ bytes, revision \d+/, ""),
    `${COPY}: , integrity verified\n`,
  );
  await host.fail("Take a snapshot", 1, { COPY });
  assert.match(await host.follow("Take a snapshot", 2, { COPY }), /^removed /);
  await assert.rejects(Deno.stat(COPY));
  assert.equal(await host.succeed('ls "$(dirname "$DATABASE")"/backups | wc -l'), "2\n");
  assert.match(await host.follow("Database corrupt", 0), /\.probe: .* integrity verified\n$/);
}

async function takeOver(host: Host): Promise<void> {
  const before = (await host.succeed("pid")).trim();
  assert.match(await host.follow("Upgrade", 2), /^healthy\n/m);
  assert.match(await host.follow("Upgrade", 3), /"event":"handed_over","successor":\d+,"cut":0,/);
  assert.notEqual((await host.succeed("pid")).trim(), before);
  await host.succeed(`while kill -0 ${before}; do sleep 0.1; done 2>/dev/null`);
  await host.connect("a.test", "dial_failed");
}

async function move(host: Host): Promise<void> {
  await using other = await makeHost();
  const MOVE = `${host.folder}/move`;
  await host.follow("Move to another host", 0, { MOVE });
  assert.equal((await Deno.stat(`${MOVE}.tgz`)).mode! & 0o777, 0o600);
  await Deno.copyFile(`${MOVE}.tgz`, `${other.folder}/move.tgz`);
  // Both are on one machine: the old one makes room for the ports that the file names.
  await host.follow(RUN, 1);
  const told = await other.follow("Move to another host", 1, { MOVE: `${other.folder}/move` });
  const revision = /revision (\d+)\.0/.exec(told)![1];
  assert.match(told, /^healthy$/m);
  await assert.rejects(Deno.stat(`${other.folder}/move.db`));
  await other.follow(RUN, 1);
  assert.match(await host.follow(RUN), new RegExp(`revision ${revision}\\.0`));
}

async function room(host: Host): Promise<void> {
  const { folder } = host;
  assert.match(await host.follow("McProxyDiskFull", 0), /^Filesystem [^]*backups/);
  const snapshots = async (): Promise<string[]> =>
    (await host.succeed('ls -t "$(dirname "$DATABASE")"/backups/*.db')).trim().split("\n");
  const before = await snapshots();
  assert.ok(before.length > 3);
  const VERSIONS = `${folder}/versions`;
  for (const name of ["0.1.0-aaaa", "0.1.0-bbbb"]) {
    await Deno.mkdir(`${VERSIONS}/${name}`, { recursive: true });
  }
  await Deno.symlink(`${VERSIONS}/0.1.0-bbbb`, `${VERSIONS}/previous`);
  await host.follow("McProxyDiskFull", 1, { VERSIONS });
  assert.deepEqual(await snapshots(), before.slice(0, 3));
  assert.equal(await host.succeed('ls "$VERSIONS"', { VERSIONS }), "0.1.0-bbbb\nprevious\n");
  await host.follow(RUN, 1);
}
