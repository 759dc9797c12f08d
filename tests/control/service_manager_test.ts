import assert from "node:assert/strict";
import { ServiceManager } from "../../src/control/service_manager.ts";
import { Notifications } from "../support/notifications.ts";

for (const kind of ["file", "abstract"] as const) {
  Deno.test(`ServiceManager tells all that it is told to tell, in its order, to a socket of kind ${kind}`, async () => {
    await using heard = new Notifications(kind);
    using manager = new ServiceManager({ notifySocket: heard.socket });
    manager.ready();
    await manager.reloading(() => Promise.resolve());
    manager.ready(true);
    manager.stopping(1_500);
    const last = await heard.next((each) => "STOPPING" in each);
    assert.deepEqual(last, { STOPPING: "1", EXTEND_TIMEOUT_USEC: "1500000" });
    assert.match(heard.steps[1]!["MONOTONIC_USEC"]!, /^\d+$/);
    const { MONOTONIC_USEC: _, ...reloading } = heard.steps[1]!;
    assert.deepEqual([heard.steps[0], reloading, heard.steps[2], heard.steps[3]], [
      { READY: "1" },
      { RELOADING: "1" },
      { READY: "1" },
      { MAINPID: String(Deno.pid), READY: "1" },
    ]);
  });
}

Deno.test("ServiceManager.watchdogMs is half fed and only to the process that it is meant for", async (t) => {
  const check = async (name: string, environment: Record<string, string>, expected: number | undefined) => {
    await t.step(name, () => {
      using manager = new ServiceManager(environment);
      assert.equal(manager.watchdogMs, expected);
    });
  };
  await check("ours", { watchdogUsec: "3000000", watchdogPid: `${Deno.pid}` }, 3_000);
  await check("anybody's", { watchdogUsec: "3000000" }, 3_000);
  await check("another's", { watchdogUsec: "3000000", watchdogPid: "1" }, undefined);
  await check("none", {}, undefined);
  await check("no number", { watchdogUsec: "soon" }, undefined);
  await check("zero", { watchdogUsec: "0" }, undefined);
});

Deno.test("ServiceManager.feed() feeds the watchdog again and again until silence()", async () => {
  await using heard = new Notifications();
  using manager = new ServiceManager({ notifySocket: heard.socket, watchdogUsec: "20000" });
  manager.feed();
  const isFed = (each: Readonly<Record<string, string>>) => each["WATCHDOG"] === "1";
  await heard.next(isFed);
  await heard.next(isFed, heard.all.length);
  manager.silence();
  await manager.flush();
  manager.ready();
  manager.feed();
  await manager.flush();
  assert.ok(heard.all.every(isFed));
});

Deno.test("ServiceManager.follow() tells a status when it has changed", async () => {
  await using heard = new Notifications();
  using manager = new ServiceManager({ notifySocket: heard.socket });
  let status = "one";
  manager.follow(() => status);
  await heard.next((each) => each["STATUS"] === "one");
  status = "two";
  await heard.next((each) => each["STATUS"] === "two");
  assert.deepEqual(heard.all, [{ STATUS: "one" }, { STATUS: "two" }]);
});

Deno.test("ServiceManager says nothing and fails in nothing without a service manager", async () => {
  for (const notifySocket of [undefined, "", "vsock:2:1", "/nonexistent/notify"]) {
    using manager = new ServiceManager({ notifySocket, watchdogUsec: "1000" });
    manager.feed();
    manager.ready();
    manager.follow(() => "fine");
    await manager.reloading(() => Promise.resolve());
    manager.stopping(1);
    await manager.flush();
  }
});
