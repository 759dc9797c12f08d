/**
 * Goal: the TOML file seeds the database once and the database rules from then on; a start that can't be leaves
 * nothing behind and says why in a sentence; no kill loses or halves a database; no key material gets out.
 * Method: the real program on real files: started, restarted, killed, started beside itself, on damaged and on newer
 * databases, and with a port that somebody else has.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Store } from "../../src/store/store.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { type ConfigTables, configText, routes, writeConfig } from "../support/config.ts";
import { freePort } from "../support/ports.ts";
import { type Completed, Program, runProgram, startServer } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually, pause } from "./eventually.ts";

const KILLS = Deno.env.has("MC_PROXY_TEST_FULL") ? 200 : 20;
const RULES = Array.from({ length: 500 }, (_, index) => `203.0.${index >> 8}.${index & 255}`);

function tablesOf(addr: string, backend: string, more: Partial<ConfigTables> = {}): ConfigTables {
  return { listeners: [{ addr, routes: routes({ [SERVER_NAME]: backend }) }], ...more };
}

/** What a refused start says: one sentence, no stack. */
function refusal({ code, stderr }: Completed, expectedCode: number, sentence: RegExp): void {
  assert.match(stderr, sentence);
  assert.match(stderr, /^mc-proxy: [^\n]+\n$/);
  assert.equal(code, expectedCode);
}

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).toSorted();
}

async function serves(proxy: Proxy): Promise<boolean> {
  await using stream = await EchoStream.open(proxy);
  await stream?.turns();
  return stream !== undefined;
}

Deno.test("the TOML file seeds the database once, and the database rules from then on", async () => {
  await using backend = echoBackend();
  await using other = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    firewall: { blocked_ips: ["203.0.113.9"] },
  });
  assert.ok(await serves(proxy));
  await stopQuietly(proxy);
  assert.equal(proxy.program.events.filter(({ event }) => event === "seed_ignored").length, 0);
  {
    await using again = await startServer(proxy.config.path);
    assert.ok(await serves({ ...proxy, program: again }));
    assert.deepEqual(again.events.filter(({ event }) => event === "seed_ignored"), [], "nothing differs");
    assert.equal(again.events.find(({ event }) => event === "ready")?.["revision"], 1);
    again.signal("SIGTERM");
    await again.completed();
  }
  await Deno.writeTextFile(proxy.config.path, configText(tablesOf(proxy.addr, other.addr)));
  await using changed = await startServer(proxy.config.path);
  assert.equal(changed.events.filter(({ event }) => event === "seed_ignored").length, 1);
  assert.ok(await serves({ ...proxy, program: changed }));
  assert.equal(other.connections.length, 0, "the file's new backend was used");
  assert.equal(backend.connections.length, 3);
});

Deno.test(`a first start leaves no database or a whole one after kill -9, ${KILLS} times`, async () => {
  await using backend = echoBackend();
  const startMs = await firstStartMs(backend);
  const seen = { none: 0, whole: 0 };
  for (let round = 0; round < KILLS; round++) {
    await using config = await writeConfig(tablesOf(`127.0.0.1:${freePort()}`, backend.addr, {
      firewall: { blocked_ips: RULES },
    }));
    {
      await using program = new Program(["server", "-c", config.path]);
      if (round % 4 === 0) await pause((0.3 + Math.random() * 0.7) * startMs);
      else if (round % 4 === 1) await program.ready();
      else {
        await eventually(
          "a file of the database",
          async () =>
            (await names(config.folder)).some((name) =>
              name.startsWith("mc-proxy.db") && !name.endsWith(".lock")
            ),
        );
        if (round % 4 === 3) await pause(Math.random() * startMs / 2);
      }
      program.workers();
      program.signal("SIGKILL");
    }
    using store = Store.open(config.databasePath);
    seen[store.isNew ? "none" : "whole"]++;
    if (store.isNew) continue;
    assert.equal(store.revision, 1);
    const { listeners, firewallRules } = store.readConfiguration();
    assert.deepEqual([listeners.length, listeners[0]?.routes.length, firewallRules.length], [
      1,
      1,
      RULES.length,
    ]);
  }
  assert.ok(seen.whole >= KILLS / 4 && seen.none > 0, JSON.stringify(seen));
});

async function firstStartMs(backend: Backend): Promise<number> {
  const startedMs = performance.now();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    firewall: { blocked_ips: RULES },
  });
  const elapsedMs = performance.now() - startedMs;
  await stopQuietly(proxy);
  return elapsedMs;
}

Deno.test("a start after kill -9 serves what the database holds", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy({ listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }] });
  proxy.program.signal("SIGKILL");
  await proxy.program[Symbol.asyncDispose]();
  await using again = await startServer(proxy.config.path);
  assert.ok(await serves({ ...proxy, program: again }));
});

Deno.test("a database that can't be served is refused in one sentence and left as it is", async (t) => {
  await using backend = echoBackend();
  const damages: [string, (path: string) => void, RegExp][] = [
    ["of a newer schema", (path) => {
      using database = new DatabaseSync(path);
      const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
      database.exec(`PRAGMA user_version = ${version + 1}`);
    }, /has schema \d+, and this program knows schemas 1 to \d+/],
    ["that is corrupt", (path) => {
      using file = Deno.openSync(path, { write: true });
      file.seekSync(100, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(20_000).fill(0xa5));
    }, /corrupt|malformed|damaged/],
    ["that is no database", (path) => Deno.writeTextFileSync(path, "hello\n".repeat(2_000)), /not/],
  ];
  for (const [name, damage, sentence] of damages) {
    await t.step(name, async () => {
      await using proxy = await startProxy({
        listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
        firewall: { blocked_ips: RULES },
      });
      await stopQuietly(proxy);
      damage(proxy.config.databasePath);
      const before = await Deno.readFile(proxy.config.databasePath);
      refusal(await runProgram(["server", "-c", proxy.config.path]), 1, sentence);
      assert.deepEqual(await Deno.readFile(proxy.config.databasePath), before);
    });
  }
});

Deno.test("a port that is taken is refused at the first start and leaves no database", async () => {
  await using backend = echoBackend();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  await using config = await writeConfig(tablesOf(`127.0.0.1:${taken.addr.port}`, backend.addr));
  const completed = await runProgram(["server", "-c", config.path]);
  refusal(completed, 2, new RegExp(`127.0.0.1:${taken.addr.port}.*in use`));
  assert.deepEqual(await names(config.folder), ["mc-proxy.toml"]);
});

Deno.test("a second instance on the same database is refused, and the first goes on", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy({ listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }] });
  const path = `${proxy.config.folder}/second.toml`;
  await Deno.writeTextFile(path, configText(tablesOf(`127.0.0.1:${freePort()}`, backend.addr)));
  const completed = await runProgram(["server", "-c", path]);
  refusal(completed, 1, new RegExp(`in use by another mc-proxy \\(process ${proxy.program.pid}\\)`));
  assert.ok(await serves(proxy));
  await stopQuietly(proxy);
});

Deno.test("a snapshot by the command line works while the server runs", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    firewall: { blocked_ips: RULES },
  });
  const out = `${proxy.config.folder}/copy.db`;
  const { code, stdout, stderr } = await runProgram([
    "snapshot",
    "-c",
    proxy.config.path,
    "-o",
    out,
    "--json",
  ]);
  assert.deepEqual([code, stderr], [0, ""]);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.path, report.revision], [out, 1]);
  assert.ok(await serves(proxy));
  await stopQuietly(proxy);
  using copy = Store.open(out);
  using original = Store.open(proxy.config.databasePath);
  assert.deepEqual(copy.readConfiguration(), original.readConfiguration());
});

Deno.test("no key material gets into database, log or the report of check", async () => {
  await using backend = echoBackend();
  const authority = await CertificateAuthority.create();
  const { certificate, key } = await authority.issue({ names: ["admin.test"] });
  await using proxy = await startProxy({ listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }] });
  await stopQuietly(proxy);
  const { folder, path, databasePath } = proxy.config;
  await Deno.writeTextFile(`${folder}/admin.crt`, certificate);
  await Deno.writeTextFile(`${folder}/admin.key`, key, { mode: 0o600 });
  await Deno.remove(databasePath);
  const grpc = { addr: `127.0.0.1:${freePort()}`, tls_cert: "admin.crt", tls_key: "admin.key" };
  const more = { grpc: { ...grpc, client_ca: "admin.crt", allowed_clients: ["admin.test"] } };
  await Deno.writeTextFile(path, configText(tablesOf(proxy.addr, backend.addr, more)));
  const told = [
    await runProgram(["check", "-c", path]),
    await runProgram(["check", "-c", path, "--json"]),
  ];
  await using program = await startServer(path);
  assert.ok(await serves({ ...proxy, program }));
  program.signal("SIGTERM");
  told.push(await program.completed());
  const database = await Deno.readFile(databasePath);
  const texts = [
    ...told.map(({ code, stdout, stderr }) => (assert.equal(code, 0, stderr), stdout + stderr)),
    new TextDecoder("latin1").decode(database),
  ];
  const secrets = key.split("\n").filter((line) => line.length > 20);
  assert.ok(secrets.length >= 3);
  for (const text of texts) {
    assert.ok(text.length > 100);
    for (const secret of secrets) assert.ok(!text.includes(secret), text.slice(0, 500));
    assert.doesNotMatch(text, /PRIVATE KEY/);
  }
});
