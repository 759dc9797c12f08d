/**
 * Goal: the country database is read again on SIGHUP; a broken or missing new file changes nothing and is said; a
 * server that is told to use a database and can't doesn't start.
 * Method: small databases that put 127.0.0.1 in a country, exchanged under the running program, whose rule blocks one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { countryDatabase } from "../net/country_database_builder.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { routes, writeConfig } from "../support/config.ts";
import { freePort } from "../support/ports.ts";
import { type LogEvent, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";

const BLOCKED = countryDatabase({ "127.0.0.0/8": "DE" });
const PASSED = countryDatabase({ "127.0.0.0/8": "FR", "10.0.0.0/8": "US" });

interface Database extends AsyncDisposable {
  readonly path: string;
  /** Exchanges the file as an updater does: a new one under the old name. */
  put(bytes: Uint8Array): Promise<void>;
}

async function database(bytes: Uint8Array): Promise<Database> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-geoip-" });
  const path = `${folder}/country.mmdb`;
  const put = async (bytes: Uint8Array) => {
    await Deno.writeFile(`${path}.new`, bytes);
    await Deno.rename(`${path}.new`, path);
  };
  await put(bytes);
  return { path, put, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

function start(backend: Backend, path: string): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    firewall: { geoip_db: path, blocked_countries: ["DE"] },
    proxy: { workers: 2 },
  });
}

/** Sends SIGHUP and waits for what the log says of it. */
async function reload({ program }: Proxy): Promise<LogEvent> {
  const from = program.events.length;
  program.signal("SIGHUP");
  return await program.event(({ event }) => /^reload/.test(`${event}`), 10_000, from);
}

/** Whether new connections are let in, by every worker. */
async function letsIn(proxy: Proxy): Promise<boolean> {
  const answers = new Set<boolean>();
  for (let count = 0; count < 12; count++) {
    await using stream = await EchoStream.open(proxy);
    answers.add(stream !== undefined);
  }
  assert.equal(answers.size, 1, "the workers differ");
  return [...answers][0]!;
}

Deno.test("SIGHUP reads the country database again, and one that is broken leaves the old one", async () => {
  await using backend = echoBackend();
  await using countries = await database(BLOCKED);
  await using proxy = await start(backend, countries.path);
  assert.equal(await letsIn(proxy), false);
  const refused = await proxy.program.connectionEvent({ reason: "blocked_country" });
  assert.equal(refused["rule"], "country:DE");

  await countries.put(PASSED);
  assert.equal(await letsIn(proxy), false, "read before SIGHUP");
  assert.deepEqual(pick(await reload(proxy)), ["info", "reloaded", "geoip", 1]);
  assert.equal(await letsIn(proxy), true);
  await using streams = await EchoStreams.open(proxy, 1);

  for (const broken of [new Uint8Array(0), BLOCKED.subarray(0, BLOCKED.length / 2), new Uint8Array(5_000)]) {
    await countries.put(broken);
    assert.deepEqual(pick(await reload(proxy)), ["error", "reload_failed", "geoip", undefined]);
    assert.equal(await letsIn(proxy), true);
  }
  await Deno.remove(countries.path);
  const missing = await reload(proxy);
  assert.deepEqual(pick(missing), ["error", "reload_failed", "geoip", undefined]);
  assert.match(`${missing["detail"]}`, /country\.mmdb/);
  assert.equal(await letsIn(proxy), true);

  // Both slots in turn, more than once round.
  for (const [index, bytes] of [BLOCKED, PASSED, BLOCKED].entries()) {
    await countries.put(bytes);
    assert.deepEqual(pick(await reload(proxy)), ["info", "reloaded", "geoip", 2 + index]);
    assert.equal(await letsIn(proxy), bytes === PASSED);
  }
  for (const stream of streams.all) await stream.turns();
  await streams.stop();
});

function pick({ level, event, what, generation }: LogEvent): unknown[] {
  return [level, event, what, generation];
}

Deno.test("a server whose country database can't be read doesn't start, and leaves no database", async (t) => {
  await using backend = echoBackend();
  const cases: [string, Uint8Array | undefined][] = [
    ["missing", undefined],
    ["empty", new Uint8Array(0)],
    ["cut", BLOCKED.subarray(0, BLOCKED.length / 2)],
    ["no database", new TextEncoder().encode("hello")],
  ];
  for (const [name, bytes] of cases) {
    await t.step(name, async () => {
      await using config = await writeConfig({
        listeners: [{
          addr: `127.0.0.1:${freePort()}`,
          routes: routes({ [SERVER_NAME]: backend.addr }),
        }],
        firewall: { geoip_db: "country.mmdb", blocked_countries: ["DE"] },
      });
      if (bytes !== undefined) await Deno.writeFile(`${config.folder}/country.mmdb`, bytes);
      const { code, stderr } = await runProgram(["server", "-c", config.path]);
      assert.equal(code, 1);
      assert.match(stderr, /^mc-proxy: [^\n]*country[^\n]*\n$/);
      assert.equal(await exists(config.databasePath), false);
    });
  }
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
