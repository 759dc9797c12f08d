/**
 * Goal: the service manager knows when the server serves, reloads, stops and lives, and workers know nothing of it.
 * Method: the real program with NOTIFY_SOCKET, and a datagram socket that hears what it tells (sd_notify(3)).
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { Notifications } from "../support/notifications.ts";
import { Program } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { openClient } from "../support/raw_client.ts";
import { ADMIN_SOCKET } from "./admin_api.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";

const WATCHDOG_MS = 2_000;

Deno.test("the service manager is told of start, status, reload, life and stop", async () => {
  await using heard = new Notifications();
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2, shutdown_timeout: "7s" },
  }, { env: { NOTIFY_SOCKET: heard.socket, WATCHDOG_USEC: `${WATCHDOG_MS * 1_000}` } });
  const { program, config } = proxy;
  assert.deepEqual(await heard.next((each) => "READY" in each), { READY: "1" });
  // Whoever is told so finds every listener and the admin socket.
  (await openClient(proxy.addr))[Symbol.dispose]();
  (await Deno.connect({ transport: "unix", path: `${config.folder}/admin.sock` })).close();
  await heard.next((each) => each["STATUS"] === "revision 1, 2 of 2 workers, 0 open connections");
  const stream = await EchoStream.open(proxy);
  await heard.next((each) => each["STATUS"] === "revision 1, 2 of 2 workers, 1 open connections");
  for (let count = 0; count < 3; count++) await heard.next((each) => "WATCHDOG" in each, heard.all.length);
  for (const worker of program.workers()) {
    assert.doesNotMatch(await Deno.readTextFile(`/proc/${worker}/environ`), /NOTIFY|WATCHDOG/);
  }
  const before = heard.all.length;
  program.signal("SIGHUP");
  const { MONOTONIC_USEC } = await heard.next((each) => "RELOADING" in each, before);
  const [uptimeSeconds] = (await Deno.readTextFile("/proc/uptime")).split(" ");
  const behindMs = Number(uptimeSeconds) * 1_000 - Number(MONOTONIC_USEC) / 1_000;
  assert.ok(behindMs > -1_000 && behindMs < 20_000, `MONOTONIC_USEC is ${behindMs} ms behind`);
  await heard.next((each) => "READY" in each, before);
  program.signal("SIGTERM");
  // 7 s to drain, 10 s to end.
  assert.deepEqual(await heard.next((each) => "STOPPING" in each), {
    STOPPING: "1",
    EXTEND_TIMEOUT_USEC: "17000000",
  });
  await heard.next((each) => each["STATUS"]?.startsWith("draining, revision 1") === true);
  await heard.next((each) => "WATCHDOG" in each, heard.all.length);
  await stream?.stop();
  assert.equal((await program.completed()).code, 0);
  assert.deepEqual(heard.steps.map((each) => Object.keys(each)[0]), [
    "READY",
    "RELOADING",
    "READY",
    "STOPPING",
  ]);
});

Deno.test("a start that is refused never says READY", async () => {
  await using heard = new Notifications();
  await using backend = echoBackend();
  await using proxy = await startProxy({ listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }] });
  await using second = new Program(["server", "-c", proxy.config.path], {
    env: { NOTIFY_SOCKET: heard.socket },
  });
  assert.equal((await second.completed()).code, 1);
  assert.deepEqual(heard.steps, []);
});

Deno.test("a main process that hangs feeds no watchdog", async () => {
  await using heard = new Notifications();
  await using backend = echoBackend();
  await using proxy = await startProxy(
    { listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }] },
    { env: { NOTIFY_SOCKET: heard.socket, WATCHDOG_USEC: "200000" } },
  );
  await heard.next((each) => "WATCHDOG" in each, heard.all.length);
  proxy.program.signal("SIGSTOP");
  let count = -1;
  await eventually("silence", async () => {
    const isSilent = heard.all.length === count;
    count = heard.all.length;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return isSilent;
  });
  proxy.program.signal("SIGCONT");
  await heard.next((each) => "WATCHDOG" in each, heard.all.length);
});
