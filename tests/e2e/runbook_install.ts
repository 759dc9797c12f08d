/**
 * Install, upgrade, roll back and uninstall, as RUNBOOK.md says it, in a root of its own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { takeBlock } from "./runbook_blocks.ts";
import { writeProgram } from "./runbook_host.ts";
import { ThrowawayRoot } from "./throwaway_root.ts";

const RUN = "Start, stop, restart";
const VERSION = "/opt/mc-proxy/\\d[^/]*-[0-9a-f]{12}";

/** Follows them; false where no root can be made. */
export async function installed(t: Deno.TestContext): Promise<boolean> {
  await using root = await ThrowawayRoot.make();
  if (root === undefined) return false;
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-builds-" });
  const system = new System(root, folder);
  try {
    const { denoDir } = JSON.parse(await output(Deno.execPath(), "info", "--json"));
    for (const name of ["old", "new"]) {
      await writeProgram(`${folder}/${name}`, ` ${name}\nexport BUILD=${name} DENO_DIR='${denoDir}'`);
    }
    await system.prepare();
    await t.step("install", () => install(system));
    await t.step("upgrade and roll back", () => upgrade(system));
    await t.step("uninstall", () => uninstall(system));
  } finally {
    await system.run(takeBlock(RUN, 1));
    await Deno.remove(folder, { recursive: true });
  }
  return true;
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(program, { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout);
}

/** The system in the root: real paths and users, and the stand-in for systemctl. */
class System {
  constructor(readonly root: ThrowawayRoot, readonly builds: string) {}

  run(commands: string): ReturnType<ThrowawayRoot["run"]> {
    return this.root.run(`${takeBlock("Card")}\n${commands}`, {
      LOG: "/var/log/mc-proxy.log",
      UNITS: "/etc/systemd/system",
      AS_UNIT: "1",
      NO_COLOR: "1",
      // The stand-in reads them; the card's settings are the same.
      CONFIG: "/etc/mc-proxy/mc-proxy.toml",
      DATABASE: "/var/lib/mc-proxy/mc-proxy.db",
    });
  }

  async succeed(commands: string): Promise<string> {
    const { code, out, err } = await this.run(commands);
    assert.equal(code, 0, `${commands}\n${out}${err}`);
    return out;
  }

  follow(heading: string, index = 0): Promise<string> {
    return this.succeed(takeBlock(heading, index));
  }

  /** What a release brings stands in `dist/`, and the root has a systemd that one can talk to. */
  async prepare(): Promise<void> {
    await this.succeed(`mkdir -p /run/systemd/system /var/lib/prometheus/node-exporter /usr/local/sbin dist
      install '${PROJECT_FOLDER}tests/e2e/systemctl.sh' /usr/local/sbin/systemctl
      : >"$LOG"`);
    await this.release("old");
  }

  async release(name: string): Promise<void> {
    await this.succeed(`rm -f dist/mc-proxy; install '${this.builds}/${name}' dist/mc-proxy`);
  }

  /** Which build the main process is of. */
  async running(): Promise<string> {
    return (await this.succeed(`tr '\\0' '\\n' <"/proc/$(pid)/environ" | sed -n 's/^BUILD=//p'`)).trim();
  }
}

async function install(system: System): Promise<void> {
  const out = await system.follow("Install", 0);
  assert.match(out, /user mc-proxy made\n[^]*mc-proxy\.toml made/);
  assert.match(out, new RegExp(`/usr/local/bin/mc-proxy is ${VERSION}/mc-proxy now, and was nothing\n`));
  assert.equal(
    await system.succeed('cat "$LOG.systemctl"'),
    "daemon-reload\nstart mc-proxy-snapshot.timer\n",
  );
  assert.match(await system.follow("Capacity"), /tcp_migrate_req = 1\n/);
  await system.succeed(`sed -i 's/^  #/  /' "$CONFIG"`);
  assert.match(await system.follow("Check a configuration"), /^ {2}git\.example\.org +-> 127\.0\.0\.1:8443/m);
  await system.follow("Install", 1);
  assert.match(await system.follow(RUN), /^healthy\n/);
  assert.match(await system.follow("Card", 2), /alert internal error/);
  const prom = await system.succeed("cat /var/lib/prometheus/node-exporter/mc-proxy.prom");
  assert.match(prom, /^mcproxy_config_revision 1$/m);
  // Another user reads it, and the service is not root's.
  const readable =
    "setpriv --reuid nobody --clear-groups cat /var/lib/prometheus/node-exporter/mc-proxy.prom";
  assert.match(await system.succeed(readable), /^mcproxy_config_revision 1$/m);
  assert.equal(await system.succeed('ps -o user= -p "$(pid)"'), "mc-proxy\n");
  assert.match(
    await system.follow("Take a snapshot", 0),
    /^-rw------- 1 mc-proxy mc-proxy .*\.db$/m,
  );
  assert.equal(await system.running(), "old");
}

async function upgrade(system: System): Promise<void> {
  // There is no version before yet: the link stays where it is.
  assert.equal((await system.run(takeBlock("Roll back the binary"))).code, 1);
  assert.match(await system.succeed("mc-proxy version"), /^mc-proxy \d/);
  await system.release("new");
  await system.succeed("sleep 1");
  assert.match(await system.follow("Upgrade", 0), /integrity verified\n[^]*: no mistakes\n/);
  const out = await system.follow("Upgrade", 1);
  assert.match(
    out,
    /the running server keeps its version until: touch .* systemctl reload mc-proxy\nmc-proxy \d/,
  );
  assert.equal(await system.running(), "old");
  const before = await system.succeed("pid");
  assert.match(await system.follow("Upgrade", 2), /^healthy\n/m);
  assert.match(await system.follow("Upgrade", 3), /"event":"handed_over","successor":\d+,"cut":0,/);
  assert.equal(await system.running(), "new");
  assert.notEqual(await system.succeed("pid"), before);
  assert.equal(await system.succeed('ps -o user= -p "$(pid)"'), "mc-proxy\n");
  await system.follow("Roll back the binary");
  assert.match(await system.follow(RUN, 2), /^healthy\n/);
  assert.equal(await system.running(), "old");
  // What is neither linked, previous nor runs goes; what serves stays.
  assert.match(await system.follow("McProxyDiskFull", 1), new RegExp(`${VERSION}/`));
  assert.equal((await system.succeed("ls -d /opt/mc-proxy/*-*")).trim().split("\n").length, 1);
  assert.match(await system.follow(RUN, 2), /^healthy\n/);
}

async function uninstall(system: System): Promise<void> {
  const { code } = await system.run("kill -0 $(pid)");
  assert.equal(code, 0);
  assert.match(
    await system.follow("Install", 2),
    /taken away; \/etc\/mc-proxy, \/var\/lib\/mc-proxy and the user/,
  );
  assert.match(await system.succeed("state"), /"event":"stopped","cut":0/);
  const left =
    "ls -d /opt/mc-proxy /usr/local/bin/mc-proxy /etc/systemd/system/mc-proxy* 2>/dev/null | wc -l";
  assert.equal(await system.succeed(left), "0\n");
  assert.match(
    await system.succeed("ls /var/lib/mc-proxy /etc/mc-proxy"),
    /mc-proxy\.db\n[^]*mc-proxy\.toml\n|mc-proxy\.toml\n[^]*mc-proxy\.db\n/,
  );
}
