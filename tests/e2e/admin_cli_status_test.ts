/**
 * Goal: `mc-proxy status` ends with 0 when all is well, with 1 and each reason when something isn't, and with 3 when
 * nobody answers in time.
 * Method: the real program as server and as command; the server's parts are broken one after the other.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";
import { countryDatabase } from "../support/country_database.ts";
import { hasProgram } from "../support/has_program.ts";
import { signalProcess } from "../support/processes.ts";
import { print } from "../support/print.ts";
import { type Completed, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { eventually } from "./eventually.ts";

const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
  grpc: { addr: "unix:admin.sock" },
  proxy: { workers: 2 },
};

function command(proxy: Proxy, ...args: string[]): Promise<Completed> {
  return runProgram([...args, "-c", proxy.config.path]);
}

/** What a status complains about, the same in text and in JSON, and with the exit code that goes with it. */
async function problemsOf(proxy: Proxy): Promise<string[]> {
  const { code, stdout, stderr } = await command(proxy, "status", "--json");
  assert.equal(stderr, "");
  const { status } = JSON.parse(stdout);
  assert.equal(code, status.problems.length === 0 ? 0 : 1);
  assert.equal(status.is_healthy, code === 0);
  return status.problems;
}

Deno.test("status names a worker that is dead, and is healthy again when it is replaced", async () => {
  await using proxy = await startProxy(TABLES);
  assert.deepEqual(await problemsOf(proxy), []);
  // The first death is made good at once, each further one later, up to 2 s.
  const seen = await eventually("a dead worker", async () => {
    for (const pid of proxy.program.workers()) signalProcess(pid, "SIGKILL");
    const { code, stdout } = await command(proxy, "status");
    return code === 1 && stdout;
  }, 60_000);
  assert.match(seen, /^not healthy\n {2}worker [01] (is not there|does not serve yet)\n/);
  await eventually("two workers", async () => (await problemsOf(proxy)).length === 0, 30_000);
});

Deno.test("status names a listener that a worker has lost", async () => {
  await using proxy = await startProxy(TABLES);
  const [, port = ""] = proxy.addr.split(":");
  if (!hasProgram("ss")) return print("skipped, not installed: ss");
  await new Deno.Command("ss", { args: ["-K", "state", "listening", "sport", "=", `:${port}`] }).output();
  const { stdout } = await new Deno.Command("ss", { args: ["-Hltn", "sport", "=", `:${port}`] }).output();
  const left = new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "").length;
  if (left === 2) return print("skipped, this kernel or user ends no socket of others: ss -K");
  assert.deepEqual(await problemsOf(proxy), [
    `listener ${proxy.addr}: ${left} of 2 workers listen; restart the server`,
  ]);
});

Deno.test("status names certificates that are of no use or out of their dates, and reloads that failed", async () => {
  const authority = await CertificateAuthority.create();
  const day = (days: number) => new Date(Date.now() + days * 86_400_000);
  const names = ["a.test"];
  const [good, expired, early] = [
    await authority.issue({ names }),
    await authority.issue({ names, notBefore: day(-2), notAfter: day(-1) }),
    await authority.issue({ names, notBefore: day(1), notAfter: day(2) }),
  ];
  const folder = await Deno.makeTempDir();
  const write = async ({ certificate, key }: KeyPair) => {
    await Deno.writeTextFile(`${folder}/a.pem`, certificate);
    await Deno.writeTextFile(`${folder}/a.key`, key);
  };
  const geoip = countryDatabase({ "127.1.0.0/16": "DE" });
  const l7 = { mode: "l7", tls_cert: `${folder}/a.pem`, tls_key: `${folder}/a.key` };
  const tables = {
    ...TABLES,
    listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1", ...l7 }] }],
    firewall: { geoip_db: `${folder}/geo.mmdb` },
    proxy: { workers: 1 },
  };
  await Deno.writeFile(`${folder}/geo.mmdb`, geoip);
  try {
    for (const [pair, problem] of [[expired, "it has expired"], [early, "it is not yet valid"]] as const) {
      await write(pair);
      await using proxy = await startProxy(tables);
      assert.deepEqual(await problemsOf(proxy), [`certificate of route a.test on ${proxy.addr}: ${problem}`]);
    }
    await Deno.remove(`${folder}/a.pem`);
    await using proxy = await startProxy(tables);
    assert.deepEqual(await problemsOf(proxy), [
      `certificate of route a.test on ${proxy.addr}: it can't be used; the log says why`,
    ]);
    await write(good);
    assert.deepEqual((await command(proxy, "reload")).code, 0);
    assert.deepEqual(await problemsOf(proxy), []);
    await Deno.writeTextFile(`${folder}/a.pem`, "no certificate");
    await Deno.writeTextFile(`${folder}/geo.mmdb`, "no database");
    const failed = await command(proxy, "reload");
    assert.equal(failed.code, 1);
    assert.match(failed.stdout, /^certificate {2}\S+ {2}.*no PEM certificate$/m);
    assert.match(failed.stdout, /^geoip {8}\S+ {2}.*not a country database/m);
    const problems = (await problemsOf(proxy)).sort();
    assert.equal(problems.length, 2);
    assert.match(problems[0]!, /^the last reload of certificate failed: .*no PEM certificate/);
    assert.match(problems[1]!, /^the last reload of geoip failed: .*not a country database/);
    await write(good);
    await Deno.writeFile(`${folder}/geo.mmdb`, geoip);
    const again = await command(proxy, "reload");
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assert.deepEqual(await problemsOf(proxy), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("status, and every other command, ends with 3 and says what to do when nobody answers", async (t) => {
  await using proxy = await startProxy({ ...TABLES, proxy: { workers: 1 } });
  const unanswered = async (sentence: RegExp, ...args: string[]) => {
    const { code, stdout, stderr } = await runProgram(args);
    assert.deepEqual([code, stdout], [3, ""]);
    assert.match(stderr, sentence);
  };
  const { path, folder } = proxy.config;
  await t.step("a server that hangs", async () => {
    proxy.program.signal("SIGSTOP");
    await unanswered(
      /^mc-proxy: "unix:.*" has not answered in time; a change .*\n$/,
      "status",
      "-c",
      path,
      "--timeout",
      "500ms",
    );
    proxy.program.signal("SIGCONT");
  });
  await t.step("another port", async () => {
    const port = proxy.addr;
    await unanswered(
      /^mc-proxy: no mc-proxy answers at .*; is the server running\?\n$/,
      "status",
      "--addr",
      port,
    );
    await unanswered(
      /^mc-proxy: "127.*" has ended the connection \(.*\); does it want TLS\?\n$/,
      "status",
      "--addr",
      port,
      "--insecure",
    );
  });
  await t.step(
    "no such socket",
    () =>
      unanswered(
        /^mc-proxy: no mc-proxy answers at "unix:.*none": there is no such file; is/,
        "metrics",
        "--addr",
        `unix:${folder}/none`,
      ),
  );
  await t.step("a stopped server", async () => {
    proxy.program.signal("SIGTERM");
    await proxy.program.completed();
    const sentence = /^mc-proxy: no mc-proxy answers at "unix:.*is the server running\?\n$/;
    const commands = [["status"], ["routes", "add", "b.test", "127.0.0.1:2"], ["connections", "watch"]];
    await Promise.all(commands.map((args) => unanswered(sentence, ...args, "-c", path)));
  });
});
