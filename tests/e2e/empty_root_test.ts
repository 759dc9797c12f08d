/**
 * Goal: the binary is the whole installation. Method: it stands alone in an empty root, with the C library's files and
 * /proc, and as another user than root, read-only but for its folder, serves a connection, takes a snapshot and drains.
 * Ignored unless MC_PROXY_BIN names a binary, and without the rights to mount.
 *
 * @module
 */

import assert from "node:assert/strict";
import { canUnshare } from "../net/namespaces.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { configText } from "../support/config.ts";
import { freePort } from "../support/ports.ts";
import { Program, runProgram } from "../support/program.ts";
import type { ProgramCommand } from "../support/program_command.ts";
import { exchange } from "../support/raw_client.ts";

const BINARY = Deno.env.get("MC_PROXY_BIN") ?? "";

/** Mounts `$0` read-only with `data` and /proc, goes there as `nobody`, and becomes the program. */
const ENTER = `mount --bind "$0" "$0" && mount --bind "$0/data" "$0/data" && mount -t proc proc "$0/proc" &&
mount -o remount,bind,ro "$0" && exec chroot --userspec=65534:65534 "$0" /mc-proxy "$@"`;

async function output(program: string, ...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(program, { args, stdin: "null" }).output();
  assert.ok(success, `${program} ${args.join(" ")}`);
  return new TextDecoder().decode(stdout);
}

/** Puts the binary and the libraries that it is linked with, nothing else, into a folder. */
async function fill(root: string): Promise<void> {
  for (const name of ["data", "proc", "dev"]) await Deno.mkdir(`${root}/${name}`);
  await Deno.copyFile(BINARY, `${root}/mc-proxy`);
  const libraries = (await output("ldd", BINARY)).matchAll(/(?:=> )?(\/\S+) \(0x/g);
  for (const [, path] of libraries) {
    await output("install", "-D", await Deno.realPath(path!), `${root}${path}`);
  }
  await Deno.chown(`${root}/data`, 65_534, 65_534);
}

Deno.test({
  name: "the binary alone in an empty root serves, copies its database and drains",
  ignore: BINARY === "" || !canUnshare(["-m", "true"]),
  fn: async () => {
    await using backend = echoBackend();
    const root = await Deno.makeTempDir({ prefix: "mc-proxy-empty-" });
    try {
      await fill(root);
      await Deno.chmod(root, 0o755);
      const addr = `127.0.0.1:${freePort()}`;
      const listeners = [{ addr, routes: [{ hostname: "a.test", backend: backend.addr }] }];
      await Deno.writeTextFile(`${root}/data/c.toml`, configText({ listeners, proxy: { workers: 1 } }));
      const command: ProgramCommand = { path: "unshare", args: ["-m", "sh", "-c", ENTER, root] };
      await using server = new Program(["server", "-c", "/data/c.toml"], { command });
      await server.ready();
      const hello = clientHello({ serverName: "a.test" });
      assert.deepEqual((await exchange(addr, hello, true)).bytes, hello);
      const copied = await runProgram(["snapshot", "-c", "/data/c.toml", "--keep", "1"], { command });
      assert.match(copied.stdout, /^\/data\/backups\/\S+: \d+ bytes, revision 1, integrity verified\n$/);
      server.signal("SIGTERM");
      const { code, stderr } = await server.completed();
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});
