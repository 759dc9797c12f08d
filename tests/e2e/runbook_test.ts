/**
 * Goal: the commands of RUNBOOK.md do what it says, in the order in which an operator needs them.
 * Method: its ```sh blocks are run by bash as they stand, after the card's settings, against the real program under the
 * name `mc-proxy`; each step asserts the effect that the text promises.
 *
 * @module
 */

import assert from "node:assert/strict";
import runbook from "../../RUNBOOK.md" with { type: "text" };
import { clientHello } from "../support/client_hello.ts";
import { exchange } from "../support/raw_client.ts";
import { blockOf, BLOCKS, Host } from "./runbook_host.ts";

const HEALTHY = /^healthy\nmc-proxy \S+, process \d+, up \S+, revision 1\.0\n/;

Deno.test("RUNBOOK.md's commands are correct bash, and every link in it leads to a heading", async (t) => {
  for (const [heading, blocks] of BLOCKS) {
    await t.step(heading, async () => {
      const args = ["-n", "-c", blocks.join("\n")];
      const { code, stderr } = await new Deno.Command("bash", { args }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    });
  }
  const headings = [...runbook.matchAll(/^##+ (.*)$/gm)]
    .map(([, heading]) => `#${heading!.toLowerCase().replaceAll(/[^a-z -]/g, "").replaceAll(" ", "-")}`);
  const links = [...runbook.matchAll(/\]\((#[^)]*)\)/g)].map(([, link]) => link!);
  assert.deepEqual(links.filter((link) => !headings.includes(link)), []);
});

Deno.test("RUNBOOK.md's commands start, look at, reload, copy, change, restore and stop the program", async (t) => {
  await using host = await Host.make();
  await t.step("check and start", () => checkAndStart(host));
  await t.step("look", () => look(host));
  await t.step("reload", () => reload(host));
  const snapshot = await copy(host);
  await t.step("upgrade", () => upgrade(host));
  await t.step("stop", () => stop(host));
  await t.step("block an address", () => blockAnAddress(host));
  await t.step("restore", () => restore(host, snapshot));
  await t.step("stop", () => stop(host));
});

async function checkAndStart(host: Host): Promise<void> {
  assert.match(await host.follow("Check a configuration"), /: no mistakes\ndatabase \S+ \(new: /);
  assert.notEqual((await host.run(blockOf("Card", 1))).code, 0, "healthy before the start");
  assert.match(await host.follow("Start"), /"event":"ready","revision":1,.*\n$/);
  assert.match(await host.follow("Card", 1), HEALTHY);
  const examined = await host.run(blockOf("Examine the host"));
  assert.equal(examined.code, 1, "the backend isn't there");
  assert.match(examined.out, /^ok {7}port \S+: process \d+ or its workers listen on it$/m);
  assert.match(examined.out, /^error {4}backend 127\.0\.0\.1:1: nobody listens there/m);
  const { code, err } = await host.run('mc-proxy server -c "$CONFIG"');
  assert.equal(code, 1);
  assert.match(err, /is in use by another mc-proxy \(process \d+\)/);
}

async function look(host: Host): Promise<void> {
  await host.connect("nowhere.test", "unknown_name");
  await host.connect("a.test", "dial_failed");
  assert.match(await host.follow("First five minutes", 0), /"event":"ready"/);
  assert.equal((await host.run(blockOf("First five minutes", 1))).out, "");
  assert.match(await host.follow("First five minutes", 2), /^ +1 "reason":"unknown_name"$/m);
  const processes = await host.follow("First five minutes", 3);
  assert.equal(processes.match(/^\d+ descriptors \d+ pss_kib \d+$/gm)?.length, 2, processes);
  assert.match(await host.follow("Unknown names"), /^ +1 "sni":"nowhere.test"\n$/);
  assert.match(await host.follow("Dial failures"), /^ +1 "backend":"127.0.0.1:1"\n$/);
}

async function reload(host: Host): Promise<void> {
  const path = `${host.config.folder}/countries.mmdb`;
  const RELOAD = "Reload the GeoIP database";
  assert.match(await host.follow(RELOAD), /"event":"reloaded","what":"geoip","generation":1\}\n$/);
  const good = await Deno.readFile(path);
  await Deno.writeFile(path, good.subarray(0, 100));
  assert.match(await host.follow(RELOAD), /"event":"reload_failed","what":"geoip"/);
  await Deno.writeFile(path, good);
  assert.match(await host.follow(RELOAD), /"event":"reloaded","what":"geoip","generation":2\}\n$/);
}

/** @returns the snapshot's path */
async function copy(host: Host): Promise<string> {
  const out = await host.follow("Take a snapshot");
  const path = /^(\S+): \d+ bytes, revision 1, integrity verified\n$/.exec(out)?.[1];
  assert.ok(path !== undefined && path.startsWith(`${host.config.folder}/backups/`), out);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  await host.follow("Database corrupt");
  return path;
}

async function upgrade(host: Host): Promise<void> {
  const UPGRADE = "Upgrade and roll back";
  const before = (await host.run("pid")).out;
  assert.match(await host.follow(UPGRADE), HEALTHY);
  assert.match(await host.follow(UPGRADE, 1), /"event":"handed_over","successor":\d+,"cut":0,/);
  const after = (await host.run("healthy >&2; pid")).out;
  assert.notEqual(after, before);
  assert.equal((await host.run(`while kill -0 ${before.trim()}; do sleep 0.1; done`)).code, 0);
  await host.connect("a.test", "dial_failed");
}

async function stop(host: Host): Promise<void> {
  assert.match(
    await host.follow("Stop (drain)"),
    /"event":"stopped","cut":0,"worker_restarts":0,"events_dropped":0\}\n$/,
  );
  assert.notEqual((await host.run(blockOf("Card", 1))).code, 0, "healthy after the stop");
  await assert.rejects(
    exchange(host.addr, clientHello({ serverName: "a.test" })),
    /ECONNREFUSED/,
  );
}

async function blockAnAddress(host: Host): Promise<void> {
  await host.blockLoopback();
  await host.follow("Change listeners, routes, firewall rules");
  await host.follow("Start");
  await host.connect("a.test", "blocked_ip");
  assert.equal((await host.run(`grep seed_ignored "$LOG"`)).out, "");
  await stop(host);
}

async function restore(host: Host, snapshot: string): Promise<void> {
  const out = await host.follow("Restore a snapshot", 0, { SNAPSHOT: snapshot });
  assert.match(out, /revision 1, integrity verified\n$/);
  await host.follow("Start");
  // The snapshot doesn't hold the rule that the file has now.
  assert.match((await host.run(`grep seed_ignored "$LOG"`)).out, /"event":"seed_ignored"/);
  await host.connect("a.test", "dial_failed");
  assert.match(await host.follow("Card", 1), HEALTHY);
}
