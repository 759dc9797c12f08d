/**
 * Goal: whichever of the two servers dies at whichever step of a hand-over, one of them serves afterwards, the other is
 * no more, nothing is lost but what the dead one carried, and the database is whole.
 * Method: each row stops one of them at a step (SIGSTOP), kills one with SIGKILL and lets the other one go on.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Backend, echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { Program, startServer } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { addRule, ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { EchoStream, EchoStreams, SERVER_NAME } from "./echo_stream.ts";
import { eventually, pause } from "./eventually.ts";
import { halted } from "./halted.ts";

type Side = "old" | "new";

interface Row {
  /** Who stands still. */
  readonly side: Side;
  /** Where. */
  readonly step: string;
  /** Who is killed there. */
  readonly victim: Side;
  /** Nobody serves in the end: the new one had said that it does, and died. A crash like any other. */
  readonly isLost: boolean;
}

const OLD_STEPS = ["asked", "admin_released", "database_released", "handed_over"];
const NEW_STEPS = ["released", "opened", "listening", "administering"];
const ALL_ROWS: readonly Row[] = [
  ...OLD_STEPS.flatMap((step) => [
    { side: "old" as const, step, victim: "old" as const, isLost: false },
    { side: "old" as const, step, victim: "new" as const, isLost: step === "handed_over" },
  ]),
  ...NEW_STEPS.flatMap((step) => [
    { side: "new" as const, step, victim: "new" as const, isLost: false },
    { side: "new" as const, step, victim: "old" as const, isLost: false },
  ]),
];
/** Half of them, each step once, unless there is time for all. */
const ROWS = Deno.env.has("MC_PROXY_TEST_FULL")
  ? ALL_ROWS
  : ALL_ROWS.filter((_, index) => [0, 3].includes(index % 4));
/** Rows that run at the same time: most of a row is waiting. */
const LANES = 4;

Deno.test("a kill at any step of a hand-over leaves one server, all streams and the database", async (t) => {
  const rows = [...ROWS];
  const lane = async (): Promise<void> => {
    for (let row = rows.shift(); row !== undefined; row = rows.shift()) {
      const { side, step, victim } = row;
      const told = row;
      await t.step({
        name: `${side} at ${step}: kill ${victim}`,
        fn: () => kill(told),
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
      });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
});

/** Starts the server that is to be relieved, with a route to `backend`. @param limits more keys of [proxy] */
function startOld(
  backend: Backend,
  limits: Record<string, unknown> = {},
  args: string[] = [],
): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1, ...limits },
  }, { args });
}

Deno.test({
  name:
    "a new server that hangs is killed after a minute, and the old one goes on as if nothing had happened",
  ignore: !Deno.env.has("MC_PROXY_TEST_FULL"),
  fn: async () => {
    await using backend = echoBackend();
    await using proxy = await startOld(backend);
    await addRule(proxy.config.folder);
    await using streams = await EchoStreams.open(proxy, 3);
    const args = ["server", "-c", proxy.config.path, "--takeover", "--testing-only-halt-at", "listening"];
    await using next = new Program(args);
    await halted(next);
    const { successor } = await proxy.program.event(({ event }) => event === "successor_killed", 90_000);
    assert.equal(successor, next.pid);
    await next.completed();
    await serves(proxy, proxy.program);
    for (const stream of streams.all) await stream.turns();
    await streams.stop();
    checkDatabase(proxy.config.databasePath, 3);
  },
});

Deno.test({
  name: "a new server goes on that an old one doesn't hear for more than a minute; then the old one drains",
  ignore: !Deno.env.has("MC_PROXY_TEST_FULL"),
  fn: async () => {
    await using backend = echoBackend();
    await using proxy = await startOld(backend);
    const args = ["server", "-c", proxy.config.path, "--takeover", "--testing-only-halt-at", "administering"];
    await using next = new Program(args);
    await halted(next);
    proxy.program.signal("SIGSTOP");
    next.signal("SIGCONT");
    await next.event(({ event, step }) => event === "takeover" && step === "unheard", 90_000);
    assert.equal(await addRule(proxy.config.folder), 2);
    // From the release on: by then it would have taken everything back.
    await pause(30_000);
    await using streams = await EchoStreams.fill(proxy, 12);
    proxy.program.signal("SIGCONT");
    assert.equal((await proxy.program.completed()).code, 0);
    assert.equal(proxy.program.events.at(-1)!["event"], "handed_over");
    for (const stream of streams.all) if (stream.end === undefined) await stream.turns();
    await serves(proxy, next);
  },
});

async function kill({ side, step, victim, isLost }: Row): Promise<void> {
  await using backend = echoBackend();
  const halt = ["--testing-only-halt-at", step];
  await using proxy = await startOld(backend, { shutdown_timeout: "60s" }, side === "old" ? halt : []);
  const old = proxy.program;
  await addRule(proxy.config.folder);
  await using streams = await EchoStreams.open(proxy, 3);
  const args = ["server", "-c", proxy.config.path, "--takeover"];
  await using next = new Program([...args, ...side === "new" ? halt : []]);
  const stopped = side === "old" ? old : next;
  const dead = victim === "old" ? old : next;
  const heir = victim === "old" ? next : old;
  await halted(stopped);
  dead.signal("SIGKILL");
  await dead.completed();
  heir.signal("SIGCONT");
  // What the old one's workers carry goes on, with their main process or without.
  for (const stream of streams.all) await stream.turns();
  if (!isLost) await serves(proxy, heir);
  await streams.stop();
  if (!isLost) heir.signal("SIGTERM");
  assert.equal((await heir.completed()).code, 0);
  checkDatabase(proxy.config.databasePath, isLost ? 2 : 3);
  await using again = await startServer(proxy.config.path);
  await using stream = await EchoStream.open(proxy);
  await stream?.stop();
  await addRule(proxy.config.folder);
  again.signal("SIGTERM");
  assert.equal((await again.completed()).code, 0);
}

/** Waits until `program` answers, changes the configuration and carries a new connection. */
async function serves(proxy: Proxy, program: Program): Promise<void> {
  await eventually("the one that is left answers", async () => {
    try {
      await using admin = await adminOf(proxy.config.folder);
      const { status } = await admin.api.getStatus({});
      return status?.pid === program.pid && status.revision === 2;
    } catch {
      return false;
    }
  }, 30_000);
  await eventually("it can be changed", () => addRule(proxy.config.folder).then(() => true, () => false));
  await using stream = await EchoStream.open(proxy);
  assert.ok(stream !== undefined);
  await stream.stop();
}

/** Whole, and at that revision. */
function checkDatabase(path: string, revision: number): void {
  using database = new DatabaseSync(path, { readOnly: true });
  assert.equal(database.prepare("PRAGMA integrity_check").get()?.["integrity_check"], "ok");
  const { number } = database.prepare("SELECT max(number) AS number FROM revisions").get() as {
    number: number;
  };
  assert.equal(number, revision);
}
