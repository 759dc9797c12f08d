/**
 * Goal: a real systemd starts, reloads, relieves, revives and stops the server by the unit as it stands.
 * Method: an instance of its own (`systemd --user`, in a mount namespace and control group of its own) runs the lines of
 * `deploy/mc-proxy.service` that concern the conversation with it; confinement is left out. Long, so with
 * MC_PROXY_TEST_FULL=1 alone.
 *
 * @module
 */

import assert from "node:assert/strict";
import { eventually } from "../e2e/eventually.ts";
import { ADMIN_SOCKET, adminOf } from "../e2e/admin_api.ts";
import { EchoStream, SERVER_NAME } from "../e2e/echo_stream.ts";
import { echoBackend } from "../support/backends.ts";
import { type ConfigFile, routes, writeConfig } from "../support/config.ts";
import { hasProgram } from "../support/has_program.ts";
import { freePort } from "../support/ports.ts";
import { print } from "../support/print.ts";
import { childrenOf, commandLine, gone, processTree, signalProcess } from "../support/processes.ts";
import { programCommand } from "../support/program_command.ts";

const UNIT = new URL("../../deploy/mc-proxy.service", import.meta.url);
const SYSTEMD = "/lib/systemd/systemd";
/** Keys of the unit that are taken over. */
const KEPT =
  /^(Type|NotifyAccess|WatchdogSec|ExecStart|ExecReload|KillMode|TimeoutStopSec|Restart|RestartSec|RuntimeDirectory)=/;

const isLong = Deno.env.has("MC_PROXY_TEST_FULL");
const canRun = Deno.uid() === 0 && ["unshare", "systemctl", SYSTEMD].every((name) => hasProgram(name));
if (isLong && !canRun) print("skipped: no systemd is tried, for that takes root, unshare and systemd itself");

/** A systemd with the service. Disposal ends both. */
class Systemd implements AsyncDisposable {
  readonly config: ConfigFile;
  readonly #child: Deno.ChildProcess;

  private constructor(config: ConfigFile, child: Deno.ChildProcess) {
    this.config = config;
    this.#child = child;
  }

  /** @param addr that the service listens on @param backend of its streams */
  static async start(addr: string, backend: string): Promise<Systemd> {
    const config = await writeConfig({
      listeners: [{ addr, routes: routes({ [SERVER_NAME]: backend }) }],
      grpc: ADMIN_SOCKET,
      proxy: { workers: 1 },
    });
    const { folder, path } = config;
    const units = `${folder}/.config/systemd/user`;
    await Deno.mkdir(units, { recursive: true });
    await Deno.mkdir(`${folder}/run`, { mode: 0o700 });
    const command = programCommand();
    const words = [command.path, ...command.args].map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(`${folder}/mc-proxy`, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    const lines = (await Deno.readTextFile(UNIT))
      .replaceAll("/usr/local/bin/mc-proxy", `${folder}/mc-proxy`)
      .replaceAll("/etc/mc-proxy/mc-proxy.toml", path)
      .split("\n").filter((line) => KEPT.test(line));
    assert.equal(lines.length, 10);
    const { denoDir } = JSON.parse(await output(Deno.execPath(), ["info", "--json"], {}));
    const log = `${folder}/service.log`;
    const own = [
      `Environment=DENO_DIR=${denoDir}`,
      `StandardOutput=append:${log}`,
      `StandardError=append:${log}`,
    ];
    await Deno.writeTextFile(`${units}/mc-proxy.service`, ["[Service]", ...lines, ...own, ""].join("\n"));
    for (const name of ["basic", "default"]) await Deno.writeTextFile(`${units}/${name}.target`, "[Unit]\n");
    // Its control groups are below one of its own, and it believes that the machine was booted with it.
    const script = `
      for each in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [ -e "$each/cgroup.procs" ] && mkdir -p "$each/mc-proxy-test/init" && echo $$ >"$each/mc-proxy-test/init/cgroup.procs"
      done
      mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec ${SYSTEMD} --user`;
    const child = new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script],
      env: { ...environment(folder), HOME: folder },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const systemd = new Systemd(config, child);
    await eventually("systemd", async () => (await systemd.ask("show", "-p", "Version")).includes("="));
    return systemd;
  }

  /** Asks systemctl. @returns what it printed */
  ask(...words: string[]): Promise<string> {
    return output("systemctl", ["--user", "--no-pager", ...words], environment(this.config.folder));
  }

  /** A property of the service. */
  async show(property: string): Promise<string> {
    return (await this.ask("show", "mc-proxy", "--value", "-p", property)).trim();
  }

  /** Waits until the service's main process is another one and serves. @returns its number */
  async successorOf(pid: number): Promise<number> {
    return await eventually("another main process", async () => {
      const main = Number(await this.show("MainPID"));
      if (main === 0 || main === pid || await this.show("SubState") !== "running") return undefined;
      await using admin = await adminOf(this.config.folder);
      return (await admin.api.getStatus({})).status?.pid === main ? main : undefined;
    }, 30_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pids = processTree(this.#child.pid);
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    await this.#child.status;
    await Promise.all(pids.map((pid) => gone(pid)));
    for (const folder of ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]) {
      await new Deno.Command("find", { args: [`${folder}/mc-proxy-test`, "-depth", "-type", "d", "-delete"] })
        .output();
    }
    await this.config[Symbol.asyncDispose]();
  }
}

function environment(folder: string): Record<string, string> {
  return { XDG_RUNTIME_DIR: `${folder}/run`, SYSTEMD_IGNORE_CHROOT: "1" };
}

async function output(path: string, args: string[], env: Record<string, string>): Promise<string> {
  const { stdout } = await new Deno.Command(path, { args, env, stdin: "null" }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "systemd starts, reloads, relieves, revives and stops the service",
  ignore: !isLong || !canRun,
  fn: async () => {
    await using backend = echoBackend();
    const addr = `127.0.0.1:${freePort()}`;
    await using systemd = await Systemd.start(addr, backend.addr);
    const { folder } = systemd.config;
    const log = `${folder}/service.log`;
    await systemd.ask("start", "mc-proxy");
    // Type=notify: it serves when `start` returns.
    const first = Number(await systemd.show("MainPID"));
    {
      await using admin = await adminOf(folder);
      assert.equal((await admin.api.getStatus({})).status?.pid, first);
    }
    assert.match(await systemd.show("StatusText"), /^revision 1, 1 of 1 workers, 0 open connections$/);
    await systemd.ask("reload", "mc-proxy");
    await eventually("a reload", async () => (await Deno.readTextFile(log)).includes('"event":"reloaded"'));
    assert.equal(Number(await systemd.show("MainPID")), first);

    await Deno.writeTextFile(`${folder}/run/mc-proxy/takeover`, "");
    await systemd.ask("reload", "mc-proxy");
    const second = await systemd.successorOf(first);
    assert.ok(childrenOf(second).some((pid) => commandLine(pid).includes("worker")));
    await gone(first);
    assert.deepEqual([await systemd.show("NRestarts"), await systemd.show("ActiveState")], ["0", "active"]);

    // What has taken over is the service now: its death is noticed, and its watchdog.
    signalProcess(second, "SIGKILL");
    const third = await systemd.successorOf(second);
    assert.equal(await systemd.show("NRestarts"), "1");
    await Deno.writeTextFile(`${folder}/run/mc-proxy/takeover`, "");
    await systemd.ask("reload", "mc-proxy");
    const fourth = await systemd.successorOf(third);
    signalProcess(fourth, "SIGSTOP");
    await eventually("the watchdog", async () => await systemd.show("NRestarts") === "2", 90_000);
    const fifth = await systemd.successorOf(fourth);
    // KillMode=mixed: the signal is for the main process alone, so a connection goes on with its worker.
    await using stream = await EchoStream.open({ addr });
    await systemd.ask("stop", "--no-block", "mc-proxy");
    await eventually(
      "a drain",
      async () => (await systemd.show("StatusText")).startsWith("draining, revision 1, "),
    );
    assert.equal(await systemd.show("SubState"), "stop-sigterm");
    await stream!.turns();
    await stream!.stop();
    await gone(fifth);
    await eventually("the end", async () => await systemd.show("ActiveState") === "inactive");
    assert.deepEqual([await systemd.show("Result"), await systemd.show("ActiveState")], [
      "success",
      "inactive",
    ]);
  },
});
