import assert from "node:assert/strict";
import { Handover, type Successor } from "../../src/control/handover.ts";
import { Turns } from "../../src/control/turns.ts";
import { Log } from "../../src/observe/log.ts";
import { DatabaseLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { configurationOfSeed } from "../../src/store/seed.ts";
import { arrivals } from "../support/arrivals.ts";

/** A hand-over of a real database, whose admin socket is a word. */
class Scene implements AsyncDisposable {
  readonly steps: string[] = [];
  readonly gone = new AbortController();
  readonly turns = new Turns();
  readonly path: string;
  readonly store: Store;
  readonly handover: Handover;
  readonly #changes = arrivals();
  readonly #folder = Deno.makeTempDirSync({ prefix: "mc-proxy-handover-" });
  refusal: string | undefined;

  constructor(times: { readonly serveMs?: number; readonly heldMs?: number } = {}) {
    this.path = `${this.#folder}/a.db`;
    this.store = Store.open(this.path);
    this.store.seed(configurationOfSeed({ listeners: [], firewallRules: [] }), 0);
    this.handover = new Handover({
      store: this.store,
      turns: this.turns,
      log: new Log({ level: "info", format: "json", write: (line) => this.#take(line), onDropped: () => {} }),
      refusal: () => this.refusal,
      pause: () => this.#told("paused"),
      resume: () => Promise.resolve(this.#told(`resumed at ${this.store.revision}`)),
      atStep: () => Promise.resolve(),
      ...times,
    });
  }

  successor(more: Partial<Successor> = {}): Successor {
    return {
      pid: Deno.pid,
      databasePath: this.store.path,
      gone: this.gone.signal,
      releaseSocket: () => Promise.resolve(this.#told("socket released")),
      retakeSocket: () => Promise.resolve(this.#told("socket retaken")),
      ...more,
    };
  }

  /** Waits for a step. */
  async step(wanted: string): Promise<void> {
    const found = await this.#changes.until(() => this.steps.includes(wanted) || undefined, 10_000);
    assert.ok(found, `${wanted} is not among ${this.steps}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.handover.stop();
    this.store[Symbol.dispose]();
    return Deno.remove(this.#folder, { recursive: true });
  }

  #take(line: string): boolean {
    const { event, step } = JSON.parse(line);
    this.#told(step ?? event);
    return true;
  }

  #told(step: string): void {
    this.steps.push(step);
    this.#changes.notify();
  }
}

Deno.test("Handover lets go of the socket, then of the database, and is done when the other one serves", async () => {
  await using scene = new Scene();
  await scene.handover.release(scene.successor());
  DatabaseLock.take(scene.path)[Symbol.dispose]();
  assert.throws(() => scene.store.readConfiguration(), /not with this process/);
  assert.match(scene.handover.refusal ?? "", /takes over/);
  await scene.handover.commit();
  assert.equal(await scene.handover.done, Deno.pid);
  // Its connection ends some time: that changes nothing.
  scene.gone.abort();
  assert.deepEqual(scene.steps, [
    "asked",
    "paused",
    "socket released",
    "admin_released",
    "database_released",
    "handed_over",
  ]);
  assert.match(scene.handover.refusal ?? "", /takes over/);
});

Deno.test("Handover waits for the change that is under way, and holds up the ones after it until all is back", async () => {
  await using scene = new Scene();
  const before = Promise.withResolvers<void>();
  const first = scene.turns.run(() => before.promise);
  const released = scene.handover.release(scene.successor());
  const order: string[] = [];
  const second = scene.turns.run(() => order.push(`at ${scene.store.revision}, ${scene.steps.at(-1)}`));
  assert.deepEqual(scene.steps, []);
  before.resolve();
  await first;
  await released;
  scene.gone.abort();
  await second;
  await scene.step("taken_back");
  assert.deepEqual(order, ["at 1, taken_back"]);
});

Deno.test("Handover takes everything back when the other one goes, however far it has come", async (t) => {
  const TAIL = ["handover_failed", "socket retaken", "resumed at 1", "taken_back"];
  const check = async (
    name: string,
    more: (scene: Scene) => Partial<Successor>,
    released: readonly string[],
  ) => {
    await t.step(name, async () => {
      await using scene = new Scene();
      const releasing = scene.handover.release(scene.successor(more(scene)));
      if (released.includes("database_released")) {
        await releasing;
        scene.gone.abort();
      } else await assert.rejects(releasing);
      await scene.step("taken_back");
      assert.deepEqual(scene.steps, [...released, ...TAIL]);
      assert.equal(scene.store.readConfiguration().listeners.length, 0);
      assert.equal(scene.handover.refusal, undefined);
      await assert.rejects(() => scene.handover.commit(), /has failed/);
    });
  };
  await check("after the release", () => ({}), [
    "asked",
    "paused",
    "socket released",
    "admin_released",
    "database_released",
  ]);
  const broken = { releaseSocket: () => Promise.reject(new Error("no")) };
  await check("in the release of the socket", () => broken, ["asked", "paused"]);
});

Deno.test("Handover takes back what the other one doesn't use in time, and may be asked again", async () => {
  await using scene = new Scene({ serveMs: 1 });
  await scene.handover.release(scene.successor());
  await scene.step("taken_back");
  assert.equal(scene.store.revision, 1);
  await scene.handover.release(scene.successor());
});

/** Another process that holds a database, until it is killed. */
async function holder(path: string): Promise<Deno.ChildProcess> {
  const code = `
    import { DatabaseLock } from "${import.meta.resolve("../../src/store/lock.ts")}";
    DatabaseLock.take("${path}");
    console.log("held");
    setInterval(() => {}, 1000);`;
  await Deno.writeTextFile(`${path}.hold.ts`, code);
  const args = ["run", "-A", "--no-check", "--quiet", `${path}.hold.ts`];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const output = child.stdout.getReader();
  await output.read();
  output.releaseLock();
  return child;
}

for (const isSuccessor of [true, false]) {
  const what = isSuccessor ? "kills a successor that has failed and holds on" : "kills nobody else";
  Deno.test(`Handover waits for who holds the database, and ${what}`, async () => {
    await using scene = new Scene({ heldMs: 300 });
    let pid = 0;
    const successor = scene.successor();
    await scene.handover.release({
      ...successor,
      get pid() {
        return pid;
      },
    });
    await using child = await holder(scene.store.path);
    pid = isSuccessor ? child.pid : Deno.ppid;
    scene.gone.abort();
    await scene.step("handover_failed");
    if (!isSuccessor) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      assert.ok(!scene.steps.includes("taken_back"));
      child.kill("SIGKILL");
    }
    await scene.step("taken_back");
    assert.equal(scene.steps.includes("successor_killed"), isSuccessor);
    assert.equal((await child.status).signal, "SIGKILL");
    await child.stdout.cancel();
    assert.equal(scene.store.revision, 1);
  });
}

Deno.test("Handover goes on without a database that it can't use, and takes it when it can", async () => {
  await using scene = new Scene();
  await scene.handover.release(scene.successor());
  const bytes = await Deno.readFile(scene.path);
  await Deno.writeTextFile(scene.path, "no database at all, and too short");
  scene.gone.abort();
  await scene.step("taken_back");
  assert.ok(scene.steps.includes("database_lost") && scene.steps.includes("socket retaken"));
  assert.match(scene.handover.refusal ?? "", /can't be used/);
  // Another try may come meanwhile, and fail in the same way.
  const again = new AbortController();
  await scene.handover.release(scene.successor({ gone: again.signal }));
  again.abort();
  await scene.step("taken_back");
  assert.throws(() => scene.store.readConfiguration(), /not with this process/);
  assert.equal(scene.store.revision, 1);
  assert.equal(await Deno.readTextFile(scene.path), "no database at all, and too short");
  await Deno.writeFile(scene.path, bytes);
  await scene.step("resumed at 1");
  assert.equal(scene.handover.refusal, undefined);
  assert.equal(scene.store.readConfiguration().listeners.length, 0);
});

Deno.test("Handover refuses and touches nothing", async (t) => {
  await using scene = new Scene();
  const check = async (name: string, more: Partial<Successor>, pattern: RegExp) => {
    await t.step(name, async () => {
      await assert.rejects(() => scene.handover.release(scene.successor(more)), pattern);
      assert.deepEqual([scene.steps, scene.handover.refusal], [[], undefined]);
      assert.equal(scene.store.revision, 1);
    });
  };
  await check(
    "another database",
    { databasePath: "/elsewhere.db" },
    /only a server of the same configuration/,
  );
  await check("who has gone already", { gone: AbortSignal.abort() }, /aborted/);
  scene.refusal = "it is about to stop";
  await check("while it stops", {}, /about to stop/);
  scene.refusal = undefined;
  await scene.handover.release(scene.successor());
  await assert.rejects(() => scene.handover.release(scene.successor()), /already/);
});

Deno.test("Handover that was held up beyond its time still hears that the other one serves", async () => {
  await using scene = new Scene({ serveMs: 10 });
  await scene.handover.release(scene.successor());
  const committed = new Promise((resolve) => setTimeout(() => resolve(scene.handover.commit()), 20));
  // Both are due now, and the time that is over comes first.
  for (const untilMs = performance.now() + 100; performance.now() < untilMs;);
  await committed;
  assert.equal(scene.steps.at(-1), "handed_over");
});
