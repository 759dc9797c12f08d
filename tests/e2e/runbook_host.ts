/**
 * A host on which RUNBOOK.md is followed: its ```sh blocks are run by bash as they stand, after the card's settings,
 * against the real program under the name `mc-proxy`.
 *
 * @module
 */

import assert from "node:assert/strict";
import runbook from "../../RUNBOOK.md" with { type: "text" };
import { clientHello } from "../support/client_hello.ts";
import { type ConfigFile, configText, type RouteTable, writeConfig } from "../support/config.ts";
import { countryDatabase } from "../support/country_database.ts";
import { freePort } from "../support/ports.ts";
import { programCommand } from "../support/program_command.ts";
import { exchange } from "../support/raw_client.ts";

/** The ```sh blocks under each heading, in their order. */
export const BLOCKS: ReadonlyMap<string, readonly string[]> = blocksOf(runbook);

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

/** One block of a heading. */
export function blockOf(heading: string, index = 0): string {
  const block = BLOCKS.get(heading)?.[index];
  assert.ok(block !== undefined, `RUNBOOK.md has no block ${index} under "${heading}"`);
  return block;
}

/** What a block has done. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A host on which the runbook is followed: a folder with the file, the database, the log and the command. */
export class Host implements AsyncDisposable {
  readonly config: ConfigFile;
  readonly addr: string;
  readonly #tables: Parameters<typeof configText>[0];

  private constructor(config: ConfigFile, addr: string, tables: Parameters<typeof configText>[0]) {
    this.config = config;
    this.addr = addr;
    this.#tables = tables;
  }

  /**
   * Nothing runs yet.
   *
   * @param routes of its one listener; default: `a.test` to a backend that isn't there
   * @param log the section; default: everything at its default
   */
  static async make(
    routes: readonly RouteTable[] = [{ hostname: "a.test", backend: "127.0.0.1:1" }],
    log: Readonly<Record<string, unknown>> = {},
  ): Promise<Host> {
    const addr = `127.0.0.1:${freePort()}`;
    const tables = {
      listeners: [{ addr, routes }],
      firewall: { geoip_db: "countries.mmdb" },
      grpc: { addr: "unix:admin.sock" },
      log,
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

  /** Where the program's output goes. */
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
