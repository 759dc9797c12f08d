/**
 * Goal: `scripts/install.sh` puts everything where it belongs, changes nothing when it is run again, never overwrites
 * a version, and takes away all that it has put and no data. Method: the script as it stands, with the program, in
 * throw-away roots. Ignored without root's rights, which owners of files need.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Ended, runCommand } from "../support/command.ts";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { programCommand, PROJECT_FOLDER } from "../support/program_command.ts";
import { VERSION } from "../../src/cli/version.ts";

const SCRIPT = `${PROJECT_FOLDER}scripts/install.sh`;
const LINK = "usr/local/bin/mc-proxy";

const isSkipped = Deno.uid() !== 0 || !hasProgram("useradd");
if (isSkipped) print("skipped: scripts/install.sh is not tried, for want of root or useradd");

/** A folder with the few files that make it a system's root, and two builds of the program beside it. */
class Root implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Root> {
    const folder = await Deno.makeTempDir({ prefix: "mc-proxy-root-" });
    await Deno.mkdir(`${folder}/root/etc`, { recursive: true });
    await Deno.writeTextFile(`${folder}/root/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n");
    await Deno.writeTextFile(`${folder}/root/etc/group`, "root:x:0:\n");
    await Deno.writeTextFile(`${folder}/root/etc/shadow`, "root:*:19000:0:99999:7:::\n", { mode: 0o600 });
    await Deno.writeTextFile(`${folder}/root/etc/gshadow`, "root:*::\n", { mode: 0o600 });
    const { path, args } = programCommand();
    const words = [path, ...args].map((word) => `'${word}'`).join(" ");
    for (const name of ["old", "new"]) {
      const text = `#!/bin/sh\n# ${name}\nexec ${words} "$@"\n`;
      await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o755 });
    }
    return new Root(folder);
  }

  async run(...args: string[]): Promise<Ended> {
    const env = { NO_COLOR: "1" };
    return await runCommand("sh", [SCRIPT, "--root", `${this.folder}/root`, ...args], { env });
  }

  async succeed(...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${out}${err}`);
    return out;
  }

  /** Every path under the root with type, mode, owner, group and what it holds or leads to. */
  async listing(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const visit = async (path: string): Promise<void> => {
      for await (const { name } of Deno.readDir(`${this.folder}/root/${path}`)) {
        const each = path === "" ? name : `${path}/${name}`;
        const full = `${this.folder}/root/${each}`;
        const info = await Deno.lstat(full);
        const mode = (info.mode! & 0o777).toString(8);
        const owner = `${info.uid}:${info.gid}`;
        if (info.isDirectory) found.set(each, `folder ${mode} ${owner}`);
        else if (info.isSymlink) found.set(each, `-> ${await Deno.readLink(full)}`);
        else found.set(each, `file ${mode} ${owner} ${info.ino} ${await Deno.readTextFile(full)}`);
        if (info.isDirectory) await visit(each);
      }
    };
    await visit("");
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The folder of a build's version in `/opt/mc-proxy`. */
async function versionOf(root: Root, name: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${root.folder}/${name}`));
  const hex = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `/opt/mc-proxy/${VERSION}-${hex.slice(0, 12)}`;
}

Deno.test({
  name: "install.sh puts program, user, folders, configuration and units in place with their modes",
  ignore: isSkipped,
  fn: async () => {
    await using root = await Root.make();
    const out = await root.succeed("--binary", `${root.folder}/old`, "--sysctl");
    assert.match(
      out,
      /then: mc-proxy check -c \/etc\/mc-proxy\/mc-proxy\.toml && systemctl start mc-proxy$/m,
    );
    const listing = await root.listing();
    const passwd = listing.get("etc/passwd")!;
    const [, uid, gid] = /^mc-proxy:[^:]*:(\d+):(\d+):[^:]*:\/var\/lib\/mc-proxy:\/usr\/sbin\/nologin$/m.exec(
      passwd,
    )!;
    const version = await versionOf(root, "old");
    assert.equal(listing.get(LINK), `-> ${version}/mc-proxy`);
    assert.match(listing.get(`${version.slice(1)}/mc-proxy`)!, /^file 755 0:0 \d+ #!\/bin\/sh\n# old\n/);
    assert.equal(listing.get("var/lib/mc-proxy"), `folder 700 ${uid}:${gid}`);
    assert.equal(listing.get("var/lib/mc-proxy/backups"), `folder 700 ${uid}:${gid}`);
    assert.equal(listing.get("etc/mc-proxy"), `folder 750 0:${gid}`);
    assert.ok(listing.get("etc/mc-proxy/mc-proxy.toml")!.startsWith(`file 640 0:${gid} `));
    for (const name of ["mc-proxy.service", "mc-proxy-snapshot.service", "mc-proxy-snapshot.timer"]) {
      const unit = await Deno.readTextFile(`${PROJECT_FOLDER}deploy/${name}`);
      assert.ok(listing.get(`etc/systemd/system/${name}`)?.endsWith(unit), name);
    }
    const sysctl = await Deno.readTextFile(`${PROJECT_FOLDER}deploy/sysctl.d/60-mc-proxy.conf`);
    assert.ok(listing.get("etc/sysctl.d/60-mc-proxy.conf")?.endsWith(sysctl));
    assert.ok(listing.has("usr/share/doc/mc-proxy/RUNBOOK.md"));
    if (hasProgram("systemctl")) {
      const wants = "etc/systemd/system";
      assert.match(
        listing.get(`${wants}/multi-user.target.wants/mc-proxy.service`)!,
        /-> .*mc-proxy\.service$/,
      );
      assert.match(
        listing.get(`${wants}/timers.target.wants/mc-proxy-snapshot.timer`)!,
        /-> .*snapshot\.timer$/,
      );
    }
  },
});

Deno.test({
  name: "install.sh changes nothing that is right already, and keeps a configuration that was edited",
  ignore: isSkipped,
  fn: async () => {
    await using root = await Root.make();
    await root.succeed("--binary", `${root.folder}/old`);
    const config = `${root.folder}/root/etc/mc-proxy/mc-proxy.toml`;
    await Deno.writeTextFile(config, "# mine\n", { append: true });
    // Files that are put anew each time are told apart by content, the version by its inode, too.
    const contents = async (): Promise<Map<string, string>> =>
      new Map(
        [...await root.listing()].map(([path, text]) =>
          path.startsWith("opt/") ? [path, text] : [path, text.replace(/^(file \d+ \S+) \d+ /, "$1 ")]
        ),
      );
    const before = await contents();
    assert.match(before.get("etc/mc-proxy/mc-proxy.toml")!, /# mine\n$/);
    await root.succeed("--binary", `${root.folder}/old`);
    assert.deepEqual(await contents(), before);
  },
});

Deno.test({
  name: "install.sh turns the link to a new version, keeps the old one, and goes back the same way",
  ignore: isSkipped,
  fn: async () => {
    await using root = await Root.make();
    const [old, fresh] = [await versionOf(root, "old"), await versionOf(root, "new")];
    await root.succeed("--binary", `${root.folder}/old`);
    const inode = (await Deno.stat(`${root.folder}/root${old}/mc-proxy`)).ino;
    assert.match(
      await root.succeed("--binary", `${root.folder}/new`),
      new RegExp(`/usr/local/bin/mc-proxy is ${fresh}/mc-proxy now, and was ${old}/mc-proxy\n`),
    );
    const listing = await root.listing();
    assert.equal(listing.get(LINK), `-> ${fresh}/mc-proxy`);
    assert.equal(listing.get("opt/mc-proxy/previous"), `-> ${old}`);
    assert.equal((await Deno.stat(`${root.folder}/root${old}/mc-proxy`)).ino, inode);
    await root.succeed("--binary", `${root.folder}/root${old}/mc-proxy`);
    const back = await root.listing();
    assert.equal(back.get(LINK), `-> ${old}/mc-proxy`);
    assert.equal(back.get("opt/mc-proxy/previous"), `-> ${fresh}`);
  },
});

Deno.test({
  name: "install.sh makes a version whole again that was cut off while it was copied",
  ignore: isSkipped,
  fn: async () => {
    await using root = await Root.make();
    const path = `${root.folder}/root${await versionOf(root, "old")}/mc-proxy`;
    await root.succeed("--binary", `${root.folder}/old`);
    await Deno.truncate(path, 10);
    await root.succeed("--binary", `${root.folder}/old`);
    assert.equal(await Deno.readTextFile(path), await Deno.readTextFile(`${root.folder}/old`));
  },
});

Deno.test({
  name: "install.sh takes away all but data and configuration, those with --purge, and both twice",
  ignore: isSkipped,
  fn: async () => {
    await using root = await Root.make();
    const empty = [...(await root.listing()).keys()];
    await root.succeed("--binary", `${root.folder}/old`, "--sysctl");
    const database = "var/lib/mc-proxy/mc-proxy.db";
    await Deno.writeTextFile(`${root.folder}/root/${database}`, "data");
    const left = async (): Promise<string[]> =>
      [...await root.listing()].filter(([path, text]) =>
        !text.startsWith("folder") && !/^etc\/\w+-?$/.test(path)
      )
        .map(([path]) => path).toSorted();
    for (const _ of [1, 2]) {
      await root.succeed("--uninstall");
      assert.deepEqual(await left(), ["etc/mc-proxy/mc-proxy.toml", database]);
    }
    // What stayed is used again.
    await root.succeed("--binary", `${root.folder}/old`);
    assert.match((await root.listing()).get(database)!, /data$/);
    for (const _ of [1, 2]) {
      await root.succeed("--uninstall", "--purge");
      assert.deepEqual(await left(), []);
    }
    const listing = await root.listing();
    assert.doesNotMatch(listing.get("etc/passwd")! + listing.get("etc/group")!, /mc-proxy/);
    assert.ok(empty.every((path) => listing.has(path)));
  },
});

Deno.test({
  name: "install.sh refuses what it can't do, and leaves everything as it was",
  ignore: isSkipped,
  fn: async () => {
    await using root = await Root.make();
    const rows: readonly [args: readonly string[], code: number, text: RegExp][] = [
      [["--binary", `${root.folder}/none`], 1, /none" doesn't run here/],
      [["--binary", "/bin/true"], 1, /"\/bin\/true" is no mc-proxy/],
      [["--binary"], 2, /--binary wants a file/],
      [["--purge"], 2, /--purge goes with --uninstall/],
      [["--purgee"], 2, /unknown option "--purgee"/],
      [["--root", root.folder], 1, /has no etc\/passwd/],
    ];
    for (const [args, code, text] of rows) {
      const ended = await root.run(...args);
      assert.equal(ended.code, code, `${args.join(" ")}: ${ended.out}${ended.err}`);
      assert.match(ended.err, text);
      assert.ok(!(await root.listing()).has(LINK));
    }
    await Deno.mkdir(`${root.folder}/root/usr/local/bin`, { recursive: true });
    await Deno.writeTextFile(`${root.folder}/root/${LINK}`, "somebody's");
    assert.match(
      (await root.run("--binary", `${root.folder}/old`)).err,
      /is a file and no link of this script/,
    );
    assert.equal(await Deno.readTextFile(`${root.folder}/root/${LINK}`), "somebody's");
  },
});

const hasShellcheck = hasProgram("shellcheck");
if (!hasShellcheck) {
  print("skipped: the shell scripts are not checked, for there is no shellcheck here");
}

Deno.test({
  name: "shellcheck finds nothing in the project's shell scripts",
  ignore: !hasShellcheck,
  fn: async () => {
    const args = ["scripts/install.sh", ".ci/run", "tests/e2e/systemctl.sh"].map((path) =>
      PROJECT_FOLDER + path
    );
    const { success, stdout } = await new Deno.Command("shellcheck", { args }).output();
    assert.ok(success, new TextDecoder().decode(stdout));
  },
});
