import assert from "node:assert/strict";
import type { Output } from "../../src/cli/output.ts";
import { renderError, run } from "../../src/cli/run.ts";
import { ConfigError } from "../../src/config/issue.ts";
import { ProxyError } from "../../src/errors.ts";
import type { Finding } from "../../src/cli/finding.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { type Ended, runCommand } from "../support/command.ts";
import { type ConfigTables, writeConfig } from "../support/config.ts";
import { programCommand } from "../support/program_command.ts";

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

Deno.test("run() checks the files that a configuration names, and whether a backend is the listener itself", async (t) => {
  const authority = await CertificateAuthority.create();
  const issue = (name: string, days: number) =>
    authority.issue({ names: [name], notAfter: new Date(Date.now() + days * 86_400_000) });
  const pairs = {
    good: await issue("a.test", 30),
    other: await issue("b.test", 30),
    expired: await issue("a.test", -0.01),
    late: await issue("a.test", 2.5),
  };
  for (const { name, tables, route, level, detail } of CHECKED) {
    await t.step(name, async () => {
      const listeners = [{
        addr: ":7443",
        routes: [{ hostname: "a.test", backend: "127.0.0.1:1", ...route }],
      }];
      await using config = await writeConfig({ ...tables, listeners });
      for (const [name, pair] of Object.entries(pairs)) {
        await Deno.writeTextFile(`${config.folder}/${name}.pem`, pair.certificate);
        await Deno.writeTextFile(`${config.folder}/${name}.key`, pair.key);
      }
      await Deno.writeTextFile(`${config.folder}/ca.pem`, authority.certificate);
      const { code, out } = await runInProcess("check", "--json", "-c", config.path);
      const { problems } = JSON.parse(out);
      assert.deepEqual(problems.map((each: Finding) => each.level), level === undefined ? [] : [level]);
      assert.match(problems[0]?.detail ?? "", detail ?? /^$/);
      assert.equal(code, level === "error" ? 1 : 0);
    });
  }
});

interface Checked {
  readonly name: string;
  readonly route?: Readonly<Record<string, unknown>>;
  readonly tables?: Omit<ConfigTables, "listeners">;
  readonly level?: "warning" | "error";
  readonly detail?: RegExp;
}

function l7(certificate: string, key: string): Readonly<Record<string, unknown>> {
  return { mode: "l7", tls_cert: `${certificate}.pem`, tls_key: `${key}.key` };
}

const LOOP = /is a listener of mc-proxy itself/;
const CHECKED: readonly Checked[] = [
  { name: "a pair", route: l7("good", "good") },
  { name: "no such file", route: l7("none", "good"), level: "error", detail: /cannot read ".*none\.pem"/ },
  { name: "another's key", route: l7("good", "other"), level: "error", detail: /private key is not that of/ },
  {
    name: "another name",
    route: l7("other", "other"),
    level: "error",
    detail: /is for "b\.test", not for "a/,
  },
  { name: "expired", route: l7("expired", "expired"), level: "error", detail: /has expired at/ },
  {
    name: "about to expire",
    route: l7("late", "late"),
    level: "warning",
    detail: /valid until .*, 2 days more/,
  },
  { name: "itself by address", route: { backend: "127.0.0.1:7443" }, level: "error", detail: LOOP },
  { name: "itself by name", route: { backend: "localhost:7443" }, level: "error", detail: LOOP },
  { name: "another port", route: { backend: "127.0.0.1:7444" } },
  { name: "another host", route: { backend: "192.0.2.200:7443" } },
  { name: "disabled", route: { backend: "127.0.0.1:7443", enabled: false } },
  {
    name: "no country database",
    tables: { firewall: { geoip_db: "none.mmdb" } },
    level: "error",
    detail: /GeoIP database ".*none\.mmdb"/,
  },
  {
    name: "the admin API's pair",
    tables: {
      grpc: {
        addr: "127.0.0.1:7445",
        tls_cert: "good.pem",
        tls_key: "other.key",
        client_ca: "ca.pem",
        allowed_clients: ["a"],
      },
    },
    level: "error",
    detail: /good\.pem" with ".*other\.key": the private key is not/,
  },
];

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
    [["\u001b[31m"], 2, /^$/, /^error: unknown command '\\u001b\[31m'\n/],
    [["worker", "--help"], 2, /^$/, /^mc-proxy: unknown option "--help" of worker\n$/],
    [["check", "-c", ""], 2, /^$/, /argument '' is invalid\. Wanted a file, got nothing/],
    [["snapshot", "-c", "a.toml", "-o", ""], 2, /^$/, /argument '' is invalid\. Wanted a file, got nothing/],
    [
      ["check", "-c", "/none.toml"],
      2,
      /^$/,
      /^mc-proxy: can't read "\/none\.toml": there is no such file\n$/,
    ],
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
    const { code, err } = await runCommand("/bin/sh", shell);
    return [code, err];
  };
  const sentence = "mc-proxy: the output can't be written: No space left on device (os error 28)\n";
  assert.deepEqual(await full(">/dev/full"), [1, sentence]);
  assert.deepEqual(await full(">/dev/full 2>&1"), [1, ""]);
});
