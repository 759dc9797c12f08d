/**
 * Goal: an upgrade cuts no connection. A second server takes the place of the first one: streams go on with the old
 * one until they end, new connections come to the new one, and what is lost in between is counted.
 * Method: the real program twice on one configuration, under a load of streams and of new connections.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Backend, echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { gone } from "../support/processes.ts";
import { Program, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { addRule, ADMIN_SOCKET, adminOf, codeOf } from "./admin_api.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { halted } from "./halted.ts";

function start(backend: Backend, ...args: string[]): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2, shutdown_timeout: "60s" },
  }, { args });
}

function successor({ config }: Proxy): Program {
  return new Program(["server", "-c", config.path, "--takeover"]);
}

Deno.test("a takeover leaves every stream alone; the old server ends with the last of them", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  await using streams = await EchoStreams.open(proxy, 4);
  await using next = successor(proxy);
  await next.ready();
  await proxy.program.event(({ event, step }) => event === "handover" && step === "handed_over");
  // Who came before is still with the old one, and who comes now is not.
  for (const stream of streams.all) await stream.turns();
  await using later = await EchoStreams.open({ ...proxy, program: next }, 1);
  await using admin = await adminOf(proxy.config.folder);
  const { status } = await admin.api.getStatus({});
  assert.deepEqual([status?.pid, status?.openConnections, status?.isHealthy], [next.pid, later.count, true]);
  assert.equal(await addRule(proxy.config.folder), 2);
  const workers = proxy.program.workers();
  await streams.stop();
  const { code, stderr } = await proxy.program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  for (const pid of workers) await gone(pid);
  const { event, cut, successor: pid } = proxy.program.events.at(-1)!;
  assert.deepEqual([event, cut, pid], ["handed_over", 0, next.pid]);
  await later.stop();
  await stopQuietly({ ...proxy, program: next });
});

Deno.test("changes are refused with UNAVAILABLE until the old server is relieved, and are possible then", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "--testing-only-halt-at", "handed_over");
  await using next = successor(proxy);
  await halted(proxy.program);
  await next.ready();
  await using admin = await adminOf(proxy.config.folder);
  assert.equal(await codeOf(addRule(proxy.config.folder)), "Unavailable");
  assert.equal((await admin.api.getStatus({})).status?.revision, 1);
  proxy.program.signal("SIGCONT");
  assert.equal((await proxy.program.completed()).code, 0);
  assert.equal(await addRule(proxy.config.folder), 2);
  await stopQuietly({ ...proxy, program: next });
});

Deno.test("a second takeover at the same time is refused, and disturbs nobody", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend, "--testing-only-halt-at", "handed_over");
  await using next = successor(proxy);
  await next.ready();
  await using third = successor(proxy);
  const { code, stderr } = await third.completed();
  assert.equal(code, 1);
  assert.match(stderr, /doesn't hand over: it takes over itself/);
  proxy.program.signal("SIGCONT");
  assert.equal((await proxy.program.completed()).code, 0);
  await using fourth = successor(proxy);
  await fourth.ready();
  assert.equal((await next.completed()).code, 0);
  await stopQuietly({ ...proxy, program: fourth });
});

Deno.test("--takeover just starts when nobody runs", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  await stopQuietly(proxy);
  await using next = successor(proxy);
  await next.ready();
  await using stream = await EchoStream.open(proxy);
  await stream?.stop();
  assert.ok(!next.events.some(({ event }) => event === "takeover"));
  await stopQuietly({ ...proxy, program: next });
});

Deno.test("a takeover that can't be refuses, and the old server doesn't notice", async (t) => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  const check = async (name: string, path: string, pattern: RegExp) => {
    await t.step(name, async () => {
      const { code, stderr } = await runProgram(["server", "-c", path, "--takeover"]);
      assert.equal(code, 1);
      assert.match(stderr, pattern);
      await using stream = await EchoStream.open(proxy);
      await stream?.stop();
      await using admin = await adminOf(proxy.config.folder);
      assert.equal((await admin.api.getStatus({})).status?.pid, proxy.program.pid);
    });
  };
  const toml = await Deno.readTextFile(proxy.config.path);
  const changed = async (name: string, from: string | RegExp, to: string): Promise<string> => {
    const path = `${proxy.config.folder}/${name}.toml`;
    await Deno.writeTextFile(path, toml.replace(from, to));
    assert.notEqual(await Deno.readTextFile(path), toml);
    return path;
  };
  await check(
    "without [grpc]",
    await changed("none", /\[grpc\]\naddr = .*\n/, ""),
    /needs \[grpc\] addr = "unix:/,
  );
  await check(
    "over TCP",
    await changed("tcp", /addr = "unix:[^"]*"/, 'addr = "127.0.0.1:1"\ninsecure = true'),
    /needs \[grpc\] addr = "unix:/,
  );
  assert.ok(!proxy.program.events.some(({ event }) => event === "handover"));
  await stopQuietly(proxy);
});

Deno.test("a stop that comes while it takes over leaves the old server as it was", async () => {
  await using backend = echoBackend();
  await using proxy = await start(backend);
  await using streams = await EchoStreams.open(proxy, 1);
  await using next = successor(proxy);
  await next.event(({ event }) => event === "starting");
  next.signal("SIGTERM");
  const { code, stderr } = await next.completed();
  assert.deepEqual([code, stderr], [1, "mc-proxy: told to stop before it had taken over\n"]);
  await proxy.program.event(({ event, step }) => event === "handover" && step === "taken_back");
  await addRule(proxy.config.folder);
  await streams.stop();
  proxy.program.signal("SIGTERM");
  assert.equal((await proxy.program.completed()).code, 0);
});

for (const step of ["asked", "database_released"]) {
  Deno.test(`a stop of the old server at step ${step} drains it, and the new one serves`, async () => {
    await using backend = echoBackend();
    await using proxy = await start(backend, "--testing-only-halt-at", step);
    await using streams = await EchoStreams.open(proxy, 1);
    await using next = successor(proxy);
    await halted(proxy.program);
    proxy.program.signal("SIGTERM");
    proxy.program.signal("SIGCONT");
    await proxy.program.event(({ event }) => event === "draining");
    for (const stream of streams.all) await stream.turns();
    await streams.stop();
    const { code, stderr } = await proxy.program.completed();
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    await next.ready(30_000);
    assert.equal(await addRule(proxy.config.folder), 2);
    await using stream = await EchoStream.open(proxy);
    await stream?.stop();
    await stopQuietly({ ...proxy, program: next });
  });
}
