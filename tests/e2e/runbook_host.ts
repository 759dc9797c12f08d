/**
 * A host on which RUNBOOK.md is followed: a folder with the file, the database, the log and the commands `mc-proxy` and
 * `systemctl`, in place of which `systemctl.sh` stands.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Ended, runCommand } from "../support/command.ts";
import { type ConfigTables, configText } from "../support/config.ts";
import { clientHello } from "../support/client_hello.ts";
import { processTree, signalProcess } from "../support/processes.ts";
import { programCommand, PROJECT_FOLDER } from "../support/program_command.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { takeBlock } from "./runbook_blocks.ts";

/** A hang of a command is a failure, not a wait. */
const COMMAND_MS = 90_000;

/** Environment variables. */
export type Env = Readonly<Record<string, string>>;

/** One host, until it is disposed of with all that runs there. */
export class Host implements AsyncDisposable {
  /** Holds what a host has under /var, /run and /usr. */
  readonly folder: string;
  /** The first listener's address. */
  readonly addr: string;

  private constructor(folder: string, addr: string) {
    this.folder = folder;
    this.addr = addr;
  }

  /**
   * Makes a host with a configuration in `etc/`; nothing runs there yet. Database, admin API and the metrics' file are
   * `../mc-proxy.db`, `../admin.sock` and `../mc-proxy.prom` unless the tables say otherwise.
   */
  static async make(tables: ConfigTables): Promise<Host> {
    const folder = await Deno.makeTempDir({ prefix: "mc-proxy-host-" });
    const host = new Host(folder, tables.listeners?.[0]?.addr ?? "");
    for (const name of ["etc", "bin"]) await Deno.mkdir(`${folder}/${name}`);
    const usual = {
      database: { path: "../mc-proxy.db" },
      grpc: { addr: "unix:../admin.sock" },
      metrics: { textfile: "../mc-proxy.prom" },
    };
    await Deno.writeTextFile(host.configPath, configText({ ...usual, ...tables }));
    await writeProgram(`${folder}/bin/mc-proxy`);
    await Deno.symlink(`${PROJECT_FOLDER}tests/e2e/systemctl.sh`, `${folder}/bin/systemctl`);
    await Deno.writeTextFile(host.logPath, "");
    return host;
  }

  /** The TOML file. */
  get configPath(): string {
    return `${this.folder}/etc/mc-proxy.toml`;
  }

  /** The database. */
  get databasePath(): string {
    return `${this.folder}/mc-proxy.db`;
  }

  /** Where standard output is kept. */
  get logPath(): string {
    return `${this.folder}/mc-proxy.log`;
  }

  /** Runs commands after the card's settings. */
  async run(commands: string, env: Env = {}): Promise<Ended> {
    const { folder, configPath, databasePath } = this;
    return await runCommand("bash", ["-c", `${takeBlock("Card")}\n${commands}`], {
      env: {
        PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
        CONFIG: configPath,
        DATABASE: databasePath,
        SOCKET: `${folder}/admin.sock`,
        LOG: this.logPath,
        UNITS: `${PROJECT_FOLDER}deploy`,
        ADDR: this.addr,
        NO_COLOR: "1",
        ...env,
      },
      cwd: folder,
      signal: AbortSignal.timeout(COMMAND_MS),
    });
  }

  /** Runs commands that have to succeed. */
  async succeed(commands: string, env: Env = {}): Promise<string> {
    const { code, out, err } = await this.run(commands, env);
    assert.equal(code, 0, `${commands}\n${out}${err}`);
    return out;
  }

  /** Runs the block of a heading, which has to succeed. */
  follow(heading: string, index = 0, env: Env = {}): Promise<string> {
    return this.succeed(takeBlock(heading, index), env);
  }

  /** Runs the block of a heading, which has to fail. */
  async fail(heading: string, index = 0, env: Env = {}): Promise<string> {
    const { code, out, err } = await this.run(takeBlock(heading, index), env);
    assert.notEqual(code, 0, `${heading}: ${out}`);
    return out + err;
  }

  /** Makes one connection and waits until the log has told its end. */
  async connect(serverName: string, reason: string, from = "127.0.0.1", addr = this.addr): Promise<void> {
    await this.send(clientHello({ serverName }), reason, from, addr);
  }

  /** The same with any bytes. */
  async send(bytes: Uint8Array, reason: string, from = "127.0.0.1", addr = this.addr): Promise<void> {
    const before = Number(await this.succeed(endsInLog(reason)));
    await exchangeFrom(from, addr, bytes);
    await this.told(reason, before + 1);
  }

  /** Waits until the log has told of as many ends. */
  async told(reason: string, ends: number): Promise<void> {
    const command = `until [ "$(${endsInLog(reason)})" -ge ${ends} ]; do sleep 0.05; done`;
    assert.equal((await this.run(command)).code, 0, `fewer than ${ends} connections ended with ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const main = Number(await Deno.readTextFile(`${this.databasePath}.lock`).catch(() => "0"));
    if (main > 0) { for (const pid of processTree(main)) signalProcess(pid, "SIGKILL"); }
    await Deno.remove(this.folder, { recursive: true });
  }
}

function endsInLog(reason: string): string {
  return `grep -c '"reason":"${reason}"' "$LOG" || true`;
}

/** Writes a command that runs the program, its own process. */
export async function writeProgram(path: string, comment = ""): Promise<void> {
  const program = programCommand();
  const words = [program.path, ...program.args].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(path, `#!/bin/sh\n#${comment}\nexec ${words} "$@"\n`, { mode: 0o755 });
}

/** Waits until the clock shows another second: snapshots are named by it. */
export async function nextSecond(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1_000 - Date.now() % 1_000));
}
