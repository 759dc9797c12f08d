/**
 * Goal: a country database that can't be read refuses the start; a new one is taken over by SIGHUP without touching a
 * connection; a broken one leaves the old one in force and says so.
 * Method: databases written for the test put ranges of 127.0.0.0/8 into countries; clients come from both.
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { clientHello, latin1 } from "../support/client_hello.ts";
import { type ConfigFile, writeConfig } from "../support/config.ts";
import { countryDatabase } from "../support/country_database.ts";
import { freePort } from "../support/ports.ts";
import { runProgram, startServer } from "../support/program.ts";
import { openClient } from "../support/raw_client.ts";

const HELLO = clientHello({ serverName: "a.test" });
const FIRST = countryDatabase({ "127.1.0.0/16": "DE", "127.2.0.0/16": "FR" });
const SECOND = countryDatabase({ "127.1.0.0/16": "FR", "127.2.0.0/16": "DE" });

/** A configuration that blocks DE; its database is `countries.mmdb` in its folder, which isn't written here. */
async function configured(backend: string): Promise<{ config: ConfigFile; addr: string; path: string }> {
  const addr = `127.0.0.1:${freePort()}`;
  const config = await writeConfig({
    listeners: [{ addr, routes: [{ hostname: "a.test", backend }] }],
    firewall: { geoip_db: "countries.mmdb", blocked_countries: ["DE"] },
  });
  return { config, addr, path: `${config.folder}/countries.mmdb` };
}

const UNUSABLE: readonly { readonly name: string; readonly bytes: Uint8Array | undefined }[] = [
  { name: "no file", bytes: undefined },
  { name: "an empty file", bytes: new Uint8Array(0) },
  { name: "something else", bytes: latin1("this is no database\n".repeat(1_000)) },
  { name: "half a database", bytes: FIRST.subarray(0, FIRST.length >> 1) },
  { name: "a database without its last bytes", bytes: FIRST.subarray(0, -20) },
];

Deno.test("a country database that can't be used refuses the start and leaves nothing behind", async (t) => {
  for (const { name, bytes } of UNUSABLE) {
    await t.step(name, async () => {
      const { config, path } = await configured("127.0.0.1:1");
      await using _ = config;
      if (bytes !== undefined) await Deno.writeFile(path, bytes);
      const { code, stderr } = await runProgram(["server", "-c", config.path]);
      assert.equal(code, 1);
      assert.ok(stderr.includes(path), stderr);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
      await assert.rejects(Deno.stat(config.databasePath), Deno.errors.NotFound);
    });
  }
});

Deno.test("SIGHUP takes a new country database over, and keeps the old one when the new one is broken", async () => {
  await using backend = echoBackend();
  const { config, addr, path } = await configured(backend.addr);
  await using _ = config;
  await Deno.writeFile(path, FIRST);
  await using program = await startServer(config.path);
  const ends = async () => [
    (await exchangeFrom("127.1.0.1", addr, HELLO)).end === "FIN",
    (await exchangeFrom("127.2.0.1", addr, HELLO)).end === "FIN",
  ];
  const reload = async (bytes: Uint8Array, event: string) => {
    const from = program.events.length;
    await Deno.writeFile(path, bytes);
    program.signal("SIGHUP");
    await program.event((line) => line["event"] === event, 10_000, from);
  };
  using old = await openClient(addr);
  await old.send(HELLO);
  assert.deepEqual(await old.readBytes(HELLO.length), HELLO);
  assert.deepEqual(await ends(), [false, true]);
  await reload(SECOND, "reloaded");
  assert.deepEqual(await ends(), [true, false]);
  await reload(SECOND.subarray(0, 100), "reload_failed");
  assert.deepEqual(await ends(), [true, false]);
  await reload(FIRST, "reloaded");
  assert.deepEqual(await ends(), [false, true]);
  await old.send(latin1("still here"));
  assert.deepEqual(await old.readBytes(10), latin1("still here"));
  await old.finish();
  await old.readToEnd();
  program.signal("SIGTERM");
  const { code, stderr } = await program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const loud = program.events.filter(({ level }) => level !== "info").map(({ event }) => event);
  assert.deepEqual(loud, ["reload_failed"]);
});
