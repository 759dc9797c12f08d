/**
 * Goal: `mc-proxy doctor` says what is wrong, of each kind, exits 1 for it, and disturbs nothing.
 * Method: the real program as server and as doctor; one thing is broken after the other.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Finding } from "../../src/cli/finding.ts";
import { echoBackend } from "../support/backends.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { writeConfig } from "../support/config.ts";
import { countryDatabase } from "../support/country_database.ts";
import { freePort } from "../support/ports.ts";
import { type ProgramOptions, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";

interface Diagnosis {
  readonly code: number;
  readonly findings: readonly Finding[];
}

async function diagnose(
  configPath: string,
  more: readonly string[] = [],
  options: ProgramOptions = {},
): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runProgram(["doctor", "-c", configPath, "--json", ...more], options);
  assert.equal(stderr, "");
  const { findings, is_well } = JSON.parse(stdout);
  assert.equal(is_well, code === 0);
  return { code, findings };
}

/** What isn't well, but for a test machine's clock, which nobody may keep. */
function ills({ findings }: Diagnosis): string[] {
  const isClocks = ({ level, what }: Finding) => level === "warning" && what === "clock";
  return findings.filter((each) => each.level !== "ok" && !isClocks(each)).map(({ level, what, detail }) =>
    `${level} ${what}: ${detail}`
  );
}

function startSound(backend: string): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend }] }],
    grpc: { addr: "unix:admin.sock" },
    proxy: { workers: 1 },
  });
}

Deno.test("doctor finds nothing wrong with a running server, and leaves it alone", async () => {
  await using backend = echoBackend();
  await using proxy = await startSound(backend.addr);
  const { path } = proxy.config;
  assert.equal((await runProgram(["snapshot", "-c", path])).code, 0);
  const told = await diagnose(path);
  assert.deepEqual([told.code, ills(told)], [0, []]);
  const whats = told.findings.map(({ what }) => what);
  const pid = proxy.program.pid;
  for (
    const what of [
      "server",
      `file limit of process ${pid}`,
      `port ${proxy.addr}`,
      "database",
      "snapshot",
      "backends",
      "clock",
    ]
  ) assert.ok(whats.includes(what), what);
  const { stdout } = await runProgram(["doctor", "-c", path]);
  assert.match(
    stdout,
    new RegExp(`^ok {7}port ${proxy.addr}: process ${pid} or its workers listen on it$`, "m"),
  );
  assert.equal((await runProgram(["status", "-c", path])).code, 0);
});

Deno.test("doctor tells of a stopped, a hung and a killed server, and of old and missing snapshots", async () => {
  await using backend = echoBackend();
  await using proxy = await startSound(backend.addr);
  const { path, folder, databasePath } = proxy.config;
  assert.match(ills(await diagnose(path)).join("\n"), /^warning snapshot: there is none in ".*\/backups"/);
  await Deno.mkdir(`${folder}/backups`);
  await Deno.writeTextFile(`${folder}/backups/other-20261122T030012Z.db`, "another database's");
  assert.match(ills(await diagnose(path)).join("\n"), /^warning snapshot: there is none in/);
  const copies = `${folder}/copies`;
  await Deno.mkdir(copies);
  await runProgram(["snapshot", "-c", path, "-o", `${copies}/a.db`]);
  assert.deepEqual(ills(await diagnose(path, ["--snapshots", copies])), []);
  const old = Date.now() / 1_000 - 3 * 86_400;
  await Deno.utime(`${copies}/a.db`, old, old);
  const aged = await diagnose(path, ["--snapshots", copies]);
  assert.equal(aged.code, 1);
  assert.match(ills(aged).join("\n"), /^error snapshot: ".*a\.db" is 72 h old/);
  assert.deepEqual(ills(await diagnose(path, ["--snapshots", copies, "--snapshot-max-age", "0s"])), []);

  await Deno.rename(databasePath, `${folder}/away.db`);
  const lost = ills(await diagnose(path, ["--snapshots", copies, "--snapshot-max-age", "0s"])).join("\n");
  assert.match(lost, /^error database: ".*" has gone under a running server/);
  // What it advises is possible.
  const [, advised] = /\(mc-proxy ([a-z]+) /.exec(lost)!;
  assert.match((await runProgram([advised!, "-c", path])).stdout, /hostname = "a\.test"/);
  await Deno.rename(`${folder}/away.db`, databasePath);

  proxy.program.signal("SIGSTOP");
  const hung = await diagnose(path, ["--snapshots", copies, "--snapshot-max-age", "0s", "--timeout", "1s"]);
  proxy.program.signal("SIGCONT");
  assert.match(
    ills(hung).join("\n"),
    new RegExp(`^error server: process ${proxy.program.pid} runs, and .*in time`),
  );
  assert.equal(hung.code, 1);

  proxy.program.signal("SIGTERM");
  await proxy.program.completed();
  const names = async () => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const before = await names();
  const stopped = await diagnose(path, ["--snapshots", copies, "--snapshot-max-age", "0s"]);
  assert.deepEqual([stopped.code, ills(stopped)], [0, ["warning server: not running"]]);
  assert.deepEqual(await names(), before);
  assert.ok(
    stopped.findings.some(({ what, detail }) => what === `port ${proxy.addr}` && /^free/.test(detail)),
  );
  await Deno.writeTextFile(`${databasePath}.lock`, "1\n");
  assert.equal(ills(await diagnose(path, ["--snapshots", copies, "--snapshot-max-age", "0s"])).length, 1);
});

Deno.test("doctor names everything that is broken, each on a line of its own", async () => {
  const authority = await CertificateAuthority.create();
  const expired = await authority.issue({ names: ["l7.test"], notAfter: new Date(Date.now() - 60_000) });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port: taken } = other.addr;
  const own = freePort();
  await using config = await writeConfig({
    listeners: [
      { addr: `127.0.0.1:${taken}` },
      {
        addr: `127.0.0.1:${own}`,
        routes: [
          { hostname: "dead.test", backend: "127.0.0.1:1" },
          { hostname: "loop.test", backend: `127.0.0.1:${own}` },
          { hostname: "off.test", backend: "127.0.0.1:2", enabled: false },
          { hostname: "l7.test", backend: "127.0.0.1:1", mode: "l7", tls_cert: "l7.pem", tls_key: "l7.key" },
        ],
      },
    ],
    firewall: { geoip_db: "old.mmdb" },
    proxy: { workers: 2 },
  });
  const { folder, path, databasePath } = config;
  await Deno.writeTextFile(`${folder}/l7.pem`, expired.certificate);
  await Deno.writeTextFile(`${folder}/l7.key`, expired.key);
  await Deno.writeFile(`${folder}/old.mmdb`, countryDatabase({ "127.1.0.0/16": "DE" }));
  await Deno.writeTextFile(databasePath, "no database at all ".repeat(100));
  const ahead = Date.now() / 1_000 + 3_600;
  await Deno.utime(path, ahead, ahead);
  const told = await diagnose(path, [], { descriptorsMax: 400 });
  assert.equal(told.code, 1);
  const text = ills(told).join("\n");
  for (
    const pattern of [
      /^warning server: not running$/m,
      /^warning file limit of this shell: 400 descriptors allow 96 connections/m,
      new RegExp(`^error port 127\\.0\\.0\\.1:${taken}: .*in use by another program`, "m"),
      /^error database: .*is not a database/m,
      /^error certificate \S+ l7\.test: ".*l7\.pem" has expired at/m,
      new RegExp(`^error route \\S+ loop\\.test: its backend 127\\.0\\.0\\.1:${own} is a listener`, "m"),
      /^error backend 127\.0\.0\.1:1: nobody listens there/m,
      /^error clock: ".*mc-proxy\.toml" was written \d+ s in the future/m,
      /^warning geoip: ".*old\.mmdb" was built \d+ days ago: get a newer one/m,
    ]
  ) assert.match(text, pattern);
  assert.doesNotMatch(text, /127\.0\.0\.1:2:/);
});

Deno.test("doctor, check and the start's log say when the file limit is too small for the main process", async () => {
  await using backend = echoBackend();
  const limited = { descriptorsMax: 150 };
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }],
    grpc: { addr: "unix:admin.sock" },
    proxy: { workers: 1 },
  }, limited);
  const { program, config: { path } } = proxy;
  // 128, 4 a worker, 64 clients
  const sentence = "the file limit (ulimit -n) is 150, and the main process may need 196";
  await program.event(({ event, detail }) => event === "config_warning" && `${detail}`.startsWith(sentence));
  const told = await diagnose(path, [], limited);
  assert.equal(told.code, 1);
  const text = ills(told).join("\n");
  assert.ok(text.includes(`error file limit of process ${program.pid}: ${sentence}`), text);
  assert.ok(text.includes(`warning file limit of this shell: ${sentence}`), text);
  const checked = await runProgram(["check", "-c", path], limited);
  assert.equal(checked.code, 0);
  assert.ok(checked.stdout.includes(`warning: file limit of this shell: ${sentence}`), checked.stdout);
});
