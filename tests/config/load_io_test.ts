import assert from "node:assert/strict";
import { ProxyError } from "../../src/errors.ts";
import { ConfigError } from "../../src/config/issue.ts";
import { loadConfig } from "../../src/config/load.ts";

async function withFile(content: string | Uint8Array, act: (path: string, folder: string) => Promise<void>) {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    const path = `${folder}/mc-proxy.toml`;
    await (typeof content === "string" ? Deno.writeTextFile(path, content) : Deno.writeFile(path, content));
    await act(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("loadConfig() starts paths at the folder of the file, however it is named", async () => {
  await withFile('[database]\npath = "srv/a.db"', async (path, folder) => {
    const up = Deno.cwd().split("/").slice(1).map(() => "..").join("/");
    for (const name of [path, `${up}${path}`, `${folder}/x/../mc-proxy.toml`]) {
      // The kernel wants a folder before "..".
      if (name.includes("/x/")) await Deno.mkdir(`${folder}/x`);
      assert.equal((await loadConfig(name)).settings.databasePath, `${folder}/srv/a.db`, name);
    }
  });
});

Deno.test("loadConfig() throws one error with every mistake", async () => {
  await withFile("[proxy]\nworkers = 65\n[log]\nlevl = 1", async (path) => {
    await assert.rejects(loadConfig(path), (error) => {
      assert.ok(error instanceof ConfigError && error instanceof ProxyError);
      assert.equal(error.code, "config");
      assert.equal(error.file, path);
      assert.equal(
        error.message,
        `${path} has 3 mistakes, the first: database.path: wanted a path, got nothing`,
      );
      assert.deepEqual(error.issues.map((issue) => issue.path), [
        "database.path",
        "proxy.workers",
        "log.levl",
      ]);
      return true;
    });
  });
});

Deno.test("loadConfig() reads a file with a byte order mark", async () => {
  await withFile('\ufeff[database]\npath = "/a.db"', async (path) => {
    assert.equal((await loadConfig(path)).settings.databasePath, "/a.db");
  });
});

Deno.test("loadConfig() says why a file can't be read", async (t) => {
  const check = async (path: string, message: string) => {
    await assert.rejects(loadConfig(path), { name: "ProxyError", code: "config", message });
  };
  await withFile(Uint8Array.of(0x23, 0xff, 0x0a), async (path, folder) => {
    await t.step("no UTF-8", () => check(path, `"${path}" is not UTF-8 text`));
    await t.step("a folder", () => check(folder, `"${folder}" is a folder, not a configuration file`));
    const missing = `${folder}/none.toml`;
    await t.step("missing", () => check(missing, `can't read "${missing}": there is no such file`));
    const below = `${path}/none.toml`;
    await t.step("below a file", async () => {
      await assert.rejects(loadConfig(below), {
        code: "config",
        message: new RegExp("^can't read .*: Not a dir"),
      });
    });
    const large = `${folder}/large.toml`;
    await Deno.writeTextFile(large, "");
    await Deno.truncate(large, (64 << 20) + 1);
    await t.step(
      "too large",
      () => check(large, `"${large}" has 67108865 bytes, more than the 67108864 allowed`),
    );
  });
});
