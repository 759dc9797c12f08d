/**
 * What becomes of the database, as RUNBOOK.md says it: damaged, put back, too new.
 *
 * @module
 */

import assert from "node:assert/strict";
import { exchangeFrom } from "../support/bound_client.ts";
import { clientHello } from "../support/client_hello.ts";
import { type Host, nextSecond } from "./runbook_host.ts";

const RUN = "Start, stop, restart";

/** A damaged database is made anew from a server that still runs. */
export async function corrupt(host: Host): Promise<void> {
  await host.succeed('mc-proxy routes add -c "$CONFIG" kept.test 127.0.0.1:1');
  // What stands in the -wal would hide the damage.
  const file = await Deno.open(host.databasePath, { write: true });
  await file.seek(4_096, Deno.SeekMode.Start);
  await file.write(new Uint8Array(8_192).fill(0xff));
  file.close();
  assert.match(await host.fail("Database corrupt", 0), /is corrupt|is not a database/);
  assert.match(await host.follow("Database corrupt", 1), /^healthy$/m);
  assert.match(await host.succeed('mc-proxy routes list -c "$CONFIG"'), /kept\.test/);
  await host.connect("kept.test", "dial_failed");
  assert.ok((await Deno.stat(`${host.databasePath}.corrupt`)).isFile);
  await undoCorrupt(host);
}

/** What was set aside comes back, and then goes again, for it is of no use. */
async function undoCorrupt(host: Host): Promise<void> {
  await host.follow(RUN, 1);
  await host.succeed('cp -p "$DATABASE" "$DATABASE.sound" && cp -p "$CONFIG" "$CONFIG.sound"');
  const [set, before] = await Promise.all([
    Deno.readFile(`${host.databasePath}.corrupt`),
    Deno.readTextFile(`${host.configPath}.before`),
  ]);
  // The second time nothing is set aside any more: nothing is touched.
  for (let time = 0; time < 2; time++) {
    await host.follow("Database corrupt", 2);
    assert.deepEqual(await Deno.readFile(host.databasePath), set);
    assert.equal(await Deno.readTextFile(host.configPath), before);
  }
  await host.succeed('mv "$DATABASE.sound" "$DATABASE" && rm -f "$DATABASE-wal" "$DATABASE-shm"');
  await host.succeed('mv "$CONFIG.sound" "$CONFIG"');
  assert.match(await host.follow(RUN), /^healthy\n/);
}

/** A snapshot takes the place of the database, and gives it back. */
export async function stopAndRestore(host: Host): Promise<void> {
  await nextSecond();
  const { path: SNAPSHOT } = JSON.parse(await host.succeed('mc-proxy snapshot -c "$CONFIG" --json'));
  await host.succeed('mc-proxy routes add -c "$CONFIG" later.test 127.0.0.1:1');
  assert.match(
    await host.follow(RUN, 1),
    /"event":"stopped","cut":0,"worker_restarts":0,"events_dropped":0\}\n$/,
  );
  const sighting = await exchangeFrom("127.0.0.1", host.addr, clientHello({ serverName: "a.test" }));
  assert.equal(sighting.end, "ECONNREFUSED");
  const routes = 'mc-proxy routes list -c "$CONFIG"';
  assert.match(await host.follow("Restore a snapshot", 0, { SNAPSHOT }), /revision 1, integrity verified\n$/);
  assert.match(await host.follow(RUN), /^healthy\n.* revision 1\.0\n/);
  assert.doesNotMatch(await host.succeed(routes), /later\.test/);
  await host.follow(RUN, 1);
  await host.follow("Restore a snapshot", 1);
  assert.match(await host.follow(RUN), /^healthy\n.* revision 2\.0\n/);
  assert.match(await host.succeed(routes), /later\.test/);
  assert.match(await host.follow(RUN, 2), /^healthy\n/);
}

/** A database that a newer version has written. */
export async function schema(host: Host): Promise<void> {
  await host.succeed('mc-proxy routes add -c "$CONFIG" newer.test 127.0.0.1:1');
  await host.follow("Roll back the schema", 0);
  await nextSecond();
  const { path: SNAPSHOT } = JSON.parse(await host.succeed('mc-proxy snapshot -c "$CONFIG" --json'));
  await host.succeed('mc-proxy routes remove -c "$CONFIG" newer.test');
  await host.follow(RUN, 1);
  // As a newer version would leave it.
  const { DatabaseSync } = await import("node:sqlite");
  using database = new DatabaseSync(host.databasePath);
  database.exec("PRAGMA user_version = 99");
  database.close();
  await host.fail(RUN);
  assert.match(await host.follow("McProxyDown"), /has schema 99/);
  await host.follow("Restore a snapshot", 0, { SNAPSHOT });
  assert.match(await host.follow(RUN), /^healthy\n/);
  await host.succeed('mc-proxy routes remove -c "$CONFIG" newer.test');
  assert.match(await host.follow("Roll back the schema", 1), /^\+ route \S+ newer\.test /m);
}
