import assert from "node:assert/strict";
import type { Output } from "../../src/cli/output.ts";
import { renderError, run } from "../../src/cli/run.ts";
import { ConfigError } from "../../src/config/issue.ts";
import { ProxyError } from "../../src/errors.ts";
import { programCommand } from "../support/program_command.ts";

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function runInProcess(...args: string[]): Promise<Ended> {
  let [out, err] = ["", ""];
  const output: Output = {
    out: (text) => Promise.resolve(void (out += text)),
    err: (text) => Promise.resolve(void (err += text)),
    isClosed: () => false,
  };
  const code = await run(args, output);
  return { code, out, err };
}

async function withFile(toml: string, act: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.writeTextFile(`${folder}/a.toml`, toml);
    await act(`${folder}/a.toml`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

const GOOD = '[database]\npath = "a.db"\n[[listeners]]\naddr = "127.0.0.1:7443"\n';
const BAD = "[proxy]\nworkers = 65\n";

Deno.test("run() prints what would be served, and exits 0", async () => {
  await withFile(GOOD, async (path, folder) => {
    const { code, out, err } = await runInProcess("check", "-c", path);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, new RegExp(`^${path}: no mistakes\ndatabase ${folder}/a.db \\(new: `));
    await Deno.writeTextFile(`${folder}/a.db`, "");
    const { out: json } = await runInProcess("check", "--json", "-c", path);
    assert.deepEqual(JSON.parse(json).database, { path: `${folder}/a.db`, exists: true });
  });
});

Deno.test("run() changes nothing when it checks", async () => {
  await withFile(GOOD, async (path, folder) => {
    await runInProcess("check", "-c", path);
    assert.deepEqual(await namesIn(folder), ["a.toml"]);
  });
});

for (const command of ["check", "server", "snapshot"]) {
  Deno.test(`run() prints every mistake on a line of its own for ${command}, exits 2 and makes no file`, async () => {
    await withFile(BAD, async (path, folder) => {
      assert.deepEqual(await runInProcess(command, "-c", path), {
        code: 2,
        out: "",
        err: `${path}: database.path: wanted a path, got nothing\n` +
          `${path}: proxy.workers: wanted a whole number from 0 to 64 (0 = chosen at start), got 65\n`,
      });
      assert.deepEqual(await namesIn(folder), ["a.toml"]);
    });
  });
}

Deno.test("run() prints mistakes as JSON, too, when asked", async () => {
  await withFile(BAD, async (path) => {
    const { code, out, err } = await runInProcess("check", "--json", "-c", path);
    assert.equal(code, 2);
    assert.deepEqual(JSON.parse(out), {
      file: path,
      issues: [
        { path: "database.path", wanted: "a path", got: "nothing" },
        {
          path: "proxy.workers",
          wanted: "a whole number from 0 to 64 (0 = chosen at start)",
          got: "65",
        },
      ],
    });
    assert.equal(err.split("\n").length, 3);
  });
});

Deno.test("run() exits 1 with one sentence when there is no database to copy", async () => {
  await withFile(GOOD, async (path, folder) => {
    const { code, out, err } = await runInProcess("snapshot", "-c", path);
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, new RegExp(`^mc-proxy: .*${folder}/a\\.db.*\n$`));
  });
});

Deno.test("run() prints versions, help and usage with their exit codes", async (t) => {
  const { deno, v8 } = Deno.version;
  const rows: readonly [args: string[], code: number, out: RegExp, err: RegExp][] = [
    [["version"], 0, new RegExp(`^mc-proxy \\S+ \\(Deno ${deno}, V8 ${v8}\\)\n$`), /^$/],
    [["version", "--json"], 0, new RegExp(`^{"mc_proxy":"[^"]+","deno":"${deno}","v8":"${v8}"}\n$`), /^$/],
    [["help"], 0, /^Usage: mc-proxy /, /^$/],
    [["check", "--help"], 0, /^Usage: mc-proxy check /, /^$/],
    [[], 2, /^$/, /^Usage: mc-proxy /],
    [["chekc"], 2, /^$/, /^error: unknown command/],
    [["worker", "--help"], 2, /^$/, /^mc-proxy: unknown option "--help" of worker\n$/],
    [["check", "-c", "/none.toml"], 2, /^$/, /^mc-proxy: can't read \/none\.toml: there is no such file\n$/],
  ];
  for (const [args, code, out, err] of rows) {
    await t.step(args.join(" "), async () => {
      const ended = await runInProcess(...args);
      assert.equal(ended.code, code);
      assert.match(ended.out, out);
      assert.match(ended.err, err);
    });
  }
});

Deno.test("renderError() shows a stack for a defect only", async (t) => {
  const issues = [{ path: "a", wanted: "b", got: "c" }, {
    path: "",
    wanted: "valid TOML",
    got: "d",
    line: 3,
    column: 1,
  }];
  const rows: readonly [error: unknown, text: RegExp][] = [
    [
      new ConfigError("f", issues),
      /^f: a: wanted b, got c\nf: line 3, column 1: wanted valid TOML, got d\n$/,
    ],
    [new ProxyError("busy", "it is held"), /^mc-proxy: it is held\n$/],
    [new ProxyError("internal", "no"), /^mc-proxy: a defect of the program: ProxyError: no\n {4}at /],
    [new TypeError("no"), /^mc-proxy: a defect of the program: TypeError: no\n {4}at /],
    ["no", /^mc-proxy: a defect of the program: no\n$/],
  ];
  for (const [error, text] of rows) {
    await t.step(String(error), () => assert.match(renderError(error), text));
  }
});

Deno.test("the program exits with run()'s code, and doesn't mind a reader that has left", async () => {
  const { path, args } = programCommand();
  const spawn = (...more: string[]) =>
    new Deno.Command(path, { args: [...args, ...more], stdin: "null", stdout: "piped", stderr: "piped" });
  const [good, bad] = await Promise.all([spawn("version").output(), spawn("chekc").output()]);
  assert.deepEqual([good.code, bad.code], [0, 2]);
  assert.match(new TextDecoder().decode(good.stdout), /^mc-proxy /);

  await using child = spawn("help").spawn();
  await child.stdout.cancel();
  const [{ code }, err] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assert.deepEqual([code, err], [0, ""]);
});

Deno.test("the program says in one sentence that its output can't be written", async () => {
  const { path, args } = programCommand();
  const full = async (redirection: string) => {
    const shell = ["-c", `exec "$@" ${redirection}`, "sh", path, ...args, "version"];
    const { code, stderr } = await new Deno.Command("/bin/sh", { args: shell, stdin: "null" }).output();
    return [code, new TextDecoder().decode(stderr)];
  };
  const sentence = "mc-proxy: the output can't be written: No space left on device (os error 28)\n";
  assert.deepEqual(await full(">/dev/full"), [1, sentence]);
  assert.deepEqual(await full(">/dev/full 2>&1"), [1, ""]);
});
