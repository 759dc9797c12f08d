/**
 * Goal: a version with a newer schema takes over; the old one writes nothing into a database that it doesn't know, not
 * even when the newer one fails after it has raised the schema.
 * Method: a copy of the program's source with one more migration.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "../../src/store/migrate.ts";
import { echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { Program, runProgram } from "../support/program.ts";
import { type ProgramCommand, programCommand, PROJECT_FOLDER } from "../support/program_command.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { addRule, ADMIN_SOCKET, adminOf, codeOf } from "./admin_api.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { halted } from "./halted.ts";

const NEWER = MIGRATIONS.length + 1;

/** The program with one more migration. Disposal removes it. */
async function newerProgram(): Promise<ProgramCommand & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-newer-" });
  const files = ["main.ts", "deno.json", "deno.lock", "src", "proto"].map((name) =>
    `${PROJECT_FOLDER}${name}`
  );
  const { success } = await new Deno.Command("cp", { args: ["-r", ...files, folder] }).output();
  assert.ok(success);
  const path = `${folder}/src/store/migrate.ts`;
  const source = await Deno.readTextFile(path);
  const changed = source.replace(
    /^(export const MIGRATIONS: readonly string\[\] = \[.*)\];$/m,
    '$1, "CREATE TABLE newer (id INTEGER PRIMARY KEY) STRICT"];',
  );
  assert.notEqual(changed, source);
  await Deno.writeTextFile(path, changed);
  const { args } = programCommand("");
  return {
    path: Deno.execPath(),
    args: args.map((word) => word.replace(PROJECT_FOLDER, `${folder}/`)),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("a version with a newer schema takes over, and the old one can't come back by itself", async () => {
  await using command = await newerProgram();
  await using backend = echoBackend();
  await using proxy = await start(backend.addr);
  await using streams = await EchoStreams.open(proxy, 2);
  await using next = new Program(["server", "-c", proxy.config.path, "--takeover"], { command });
  await next.ready();
  await proxy.program.event(({ step }) => step === "handed_over");
  for (const stream of streams.all) await stream.turns();
  await streams.stop();
  assert.equal((await proxy.program.completed()).code, 0);
  assert.deepEqual(stamp(proxy), [NEWER, 2]);
  await addRule(proxy.config.folder);
  next.signal("SIGTERM");
  assert.equal((await next.completed()).code, 0);
  assert.deepEqual(stamp(proxy), [NEWER, 3]);
  const { code, stderr } = await runProgram(["server", "-c", proxy.config.path]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`has schema ${NEWER}`));
});

Deno.test("the old version serves on and writes nothing when the newer one fails after the migration", async () => {
  await using command = await newerProgram();
  await using backend = echoBackend();
  await using proxy = await start(backend.addr);
  await using streams = await EchoStreams.open(proxy, 2);
  const args = ["server", "-c", proxy.config.path, "--takeover"];
  await using next = new Program([...args, "--testing-only-halt-at", "opened"], { command });
  await halted(next);
  next.signal("SIGKILL");
  await proxy.program.event(({ event }) => event === "database_lost", 20_000);
  await proxy.program.event(({ step }) => step === "taken_back");
  for (const stream of streams.all) await stream.turns();
  await using stream = await EchoStream.open(proxy);
  await stream?.stop();
  {
    await using admin = await adminOf(proxy.config.folder);
    const { status } = await admin.api.getStatus({});
    assert.deepEqual([status?.pid, status?.isHealthy, status?.revision], [proxy.program.pid, false, 2]);
    assert.match(status!.problems.join(), /database can't be used/);
  }
  assert.equal(await codeOf(addRule(proxy.config.folder)), "Unavailable");
  assert.deepEqual(stamp(proxy), [NEWER, 2]);
  // The newer one comes again, and takes over what nobody else can.
  await using again = new Program(args, { command });
  await again.ready();
  for (const each of streams.all) await each.turns();
  await streams.stop();
  assert.equal((await proxy.program.completed()).code, 0);
  await addRule(proxy.config.folder);
  assert.deepEqual(stamp(proxy), [NEWER, 3]);
  again.signal("SIGTERM");
  assert.equal((await again.completed()).code, 0);
});

async function start(backend: string): Promise<Proxy> {
  const proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend }) }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1, shutdown_timeout: "60s" },
  });
  await addRule(proxy.config.folder);
  return proxy;
}

/** Schema and revision. */
function stamp({ config }: Proxy): [schema: unknown, revision: unknown] {
  using database = new DatabaseSync(config.databasePath, { readOnly: true });
  const schema = database.prepare("PRAGMA user_version").get()?.["user_version"];
  return [schema, database.prepare("SELECT max(number) AS number FROM revisions").get()?.["number"]];
}
