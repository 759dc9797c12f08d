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
import { type ConfigFile, configText, writeConfig } from "../support/config.ts";
import { countryDatabase } from "../support/country_database.ts";
import { freePort } from "../support/ports.ts";
import { programCommand } from "../support/program_command.ts";
import { exchange } from "../support/raw_client.ts";

/** The ```sh blocks under each heading, in their order. */
const BLOCKS: ReadonlyMap<string, readonly string[]> = blocksOf(runbook);

/** A hang of a command is a failure, not a wait. */
const COMMAND_MS = 60_000;

function blocksOf(markdown: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const section of markdown.split(/^(?=##+ )/m)) {
    const heading = /^##+ (.*)$/m.exec(section)?.[1] ?? "";
    const blocks = [...section.matchAll(/^( *)```sh\n([^]*?)^ *```$/gm)]
      .map(([, indent, text]) => text!.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
    if (blocks.length > 0) found.set(heading, blocks);
  }
  return found;
}

function blockOf(heading: string, index = 0): string {
  const block = BLOCKS.get(heading)?.[index];
  assert.ok(block !== undefined, `RUNBOOK.md has no block ${index} under "${heading}"`);
  return block;
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A host on which the runbook is followed: a folder with the file, the database, the log and the command. */
class Host implements AsyncDisposable {
  readonly config: ConfigFile;
  readonly addr: string;
  readonly #tables: Parameters<typeof configText>[0];

  private constructor(config: ConfigFile, addr: string, tables: Parameters<typeof configText>[0]) {
    this.config = config;
    this.addr = addr;
    this.#tables = tables;
  }

  static async make(): Promise<Host> {
    const addr = `127.0.0.1:${freePort()}`;
    const tables = {
      listeners: [{ addr, routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
      firewall: { geoip_db: "countries.mmdb" },
      grpc: { addr: "unix:admin.sock" },
      proxy: { shutdown_timeout: "2s", workers: 1 },
    };
    const config = await writeConfig(tables);
    await Deno.writeFile(`${config.folder}/countries.mmdb`, countryDatabase({ "127.1.0.0/16": "DE" }));
    const { path, args } = programCommand();
    const words = [path, ...args].map((word) => `'${word}'`).join(" ");
    await Deno.mkdir(`${config.folder}/bin`);
    await Deno.writeTextFile(`${config.folder}/bin/mc-proxy`, `#!/bin/sh\nexec ${words} "$@"\n`, {
      mode: 0o755,
    });
    return new Host(config, addr, tables);
  }

  get logPath(): string {
    return `${this.config.folder}/mc-proxy.log`;
  }

  /** Runs a block after the card's settings. */
  async run(block: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const { folder, path, databasePath } = this.config;
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", `${blockOf("Card")}\n${block}`],
      env: {
        PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
        CONFIG: path,
        DATABASE: databasePath,
        LOG: this.logPath,
        ADDR: this.addr,
        NO_COLOR: "1",
        ...env,
      },
      cwd: folder,
      stdin: "null",
      signal: AbortSignal.timeout(COMMAND_MS),
    }).output();
    const text = new TextDecoder();
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  }

  /** Runs the block of a heading and wants exit code 0. */
  async follow(heading: string, index = 0, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const { code, out, err } = await this.run(blockOf(heading, index), env);
    assert.equal(code, 0, `${heading}: ${out}${err}`);
    return out;
  }

  /** Makes one connection and waits until the log has told its end. */
  async connect(serverName: string, reason: string): Promise<void> {
    const before = (await this.#log()).split(`"reason":"${reason}"`).length;
    await exchange(this.addr, clientHello({ serverName })).catch(() => {});
    const count = `until [ "$(grep -c '"reason":"${reason}"' "$LOG")" -ge ${before} ]; do sleep 0.05; done`;
    assert.equal((await this.run(count)).code, 0, `no connection ended with ${reason}`);
  }

  async #log(): Promise<string> {
    return await Deno.readTextFile(this.logPath);
  }

  /** Puts an address of ours among those to block. */
  async blockLoopback(): Promise<void> {
    const firewall = { geoip_db: "countries.mmdb", blocked_ips: ["127.0.0.1"] };
    await Deno.writeTextFile(this.config.path, configText({ ...this.#tables, firewall }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run(
      'main=$(pid) && for p in $(cat /proc/$main/task/*/children) $main; do kill -KILL "$p"; done',
    );
    await this.config[Symbol.asyncDispose]();
  }
}

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
  assert.match(await host.follow("Card", 1), /"event":"ready","revision":1,/);
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
  assert.match(await host.follow(UPGRADE), /"event":"ready","revision":1,/);
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
  assert.match(await host.follow("Card", 1), /"event":"ready","revision":1,/);
}
