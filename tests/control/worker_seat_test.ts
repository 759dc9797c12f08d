/**
 * Goal: whatever a process in a worker's place says or does, its seat has an outcome. Method: shell scripts that speak
 * the worker's side.
 *
 * @module
 */

import assert from "node:assert/strict";
import { WorkerSeat } from "../../src/control/worker_seat.ts";
import type { WorkerHandler } from "../../src/control/worker_process.ts";
import type { FromWorker, StartMessage } from "../../src/proxy/messages.ts";
import type { Preparation } from "../../src/proxy/preparation.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import { arrivals } from "../support/arrivals.ts";

const START: StartMessage = {
  type: "start",
  build: "this",
  column: 3,
  idPrefix: "k-",
  connectionsMax: 1,
  sharedMemory: { fd: 10, sizeBytes: 1 },
  geoip: { fd: 11, sizeBytes: 1 },
};
const PREPARATION: Preparation = {
  revision: 4,
  generation: 0,
  changes: [],
  listenerSlots: [],
  routeSlots: [],
  pems: new Map(),
  routePems: [],
  options: { limits: DEFAULT_LIMITS, blockUnknownCountry: false, limitMode: "enforce", tellsRequests: false },
};
/** Answers as a good worker does: one line each, in its order. */
const READY = `read -r start; echo '{"type":"ready","build":"this"}'`;
const PREPARED = `read -r prepare; echo '{"type":"prepared","revision":4,"generation":0}'`;
const WAIT = "exec cat > /dev/null";

/** A seat whose process is a script, and what its handler was told. */
class Scripted implements AsyncDisposable {
  readonly seat = new WorkerSeat(3);
  readonly messages: FromWorker[] = [];
  readonly stderr: string[] = [];
  status: Deno.CommandStatus | undefined;
  readonly #changes = arrivals();

  start(script: string, env: Record<string, string> = {}): Promise<void> {
    const handler: WorkerHandler = {
      message: (message) => {
        this.messages.push(message);
        this.seat.answered(message);
        this.#changes.notify();
      },
      stderr: (line) => {
        this.stderr.push(line);
        this.#changes.notify();
      },
      ended: (status) => {
        this.status = status;
        this.seat.vacate(status.code);
        this.#changes.notify();
      },
    };
    return this.seat.start({ path: "/bin/sh", args: ["-c", script], env }, START, handler);
  }

  async ended(): Promise<Deno.CommandStatus> {
    const status = await this.#changes.until(() => this.status, 10_000);
    assert.ok(status !== undefined, "it still runs");
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.seat.worker?.kill();
    await this.ended();
  }
}

function refusal(message: RegExp): (error: Error) => boolean {
  return (error) =>
    error.name === "ProxyError" && "code" in error && error.code === "unavailable" &&
    message.test(error.message);
}

Deno.test("WorkerSeat.start() takes a worker of its own build and refuses everything else", async (t) => {
  const rows: [name: string, script: string, fault: RegExp | undefined][] = [
    ["a worker", `${READY}; ${WAIT}`, undefined],
    ["another build", `read -r start; echo '{"type":"ready","build":"other"}'; ${WAIT}`, /of another build/],
    ["another answer", `read -r start; echo '{"type":"drained","cut":0}'; ${WAIT}`, /of another build/],
    ["one that ends", "exit 3", /ended with code 3/],
    ["one that is killed", "kill -9 $$", /ended with code 137/],
    ["one that talks nonsense", "echo hello; exec sleep 60", /ended with code 137/],
    ["one that says what only main says", `echo '{"type":"abort"}'; exec sleep 60`, /ended with code 137/],
    ["a line without end", "head -c 70000 /dev/zero | tr '\\0' x; exec sleep 60", /ended with code 137/],
  ];
  for (const [name, script, fault] of rows) {
    await t.step(name, async () => {
      await using scripted = new Scripted();
      const starting = scripted.start(script);
      if (fault === undefined) await starting;
      else await assert.rejects(starting, refusal(fault));
    });
  }
});

Deno.test("WorkerSeat tells what ended a worker that talks nonsense, after what it said before", async () => {
  await using scripted = new Scripted();
  await scripted.start(`${READY}; echo last words >&2; echo '{"type":"ready"}'; exec sleep 60`);
  assert.equal((await scripted.ended()).signal, "SIGKILL");
  assert.deepEqual(scripted.messages, [{ type: "ready", build: "this" }]);
  assert.ok(scripted.stderr.includes("last words"));
  assert.ok(scripted.stderr.some((line) => line.startsWith("said what is no message")));
  assert.equal(scripted.seat.worker, undefined);
});

Deno.test("WorkerSeat.prepare() says why a worker can't", async (t) => {
  const rows: [answer: string, fault: RegExp | undefined][] = [
    [PREPARED, undefined],
    [
      `read -r prepare; echo '{"type":"refused","revision":4,"generation":0,"reason":"port taken"}'`,
      /^worker 3: port taken$/,
    ],
    [
      `read -r prepare; echo '{"type":"activated","revision":4,"generation":0}'`,
      /^worker 3: a wrong answer$/,
    ],
    ["read -r prepare; exit 5", /^worker 3 ended with code 5$/],
  ];
  for (const [answer, fault] of rows) {
    await t.step(answer, async () => {
      await using scripted = new Scripted();
      await scripted.start(`${READY}; ${answer}; ${WAIT}`);
      const preparing = scripted.seat.prepare(PREPARATION);
      if (fault === undefined) await preparing;
      else await assert.rejects(preparing, refusal(fault));
    });
  }
});

Deno.test("WorkerSeat.activate() notes what the worker serves", async () => {
  await using scripted = new Scripted();
  const activated = `read -r activate; echo "$activate" | sed s/activate/activated/`;
  await scripted.start(`${READY}; ${PREPARED}; ${activated}; ${WAIT}`);
  await scripted.seat.prepare(PREPARATION);
  assert.equal(scripted.seat.worker?.isServing, false);
  await scripted.seat.activate({ revision: 4, generation: 0 });
  assert.deepEqual(scripted.seat.worker?.serves, { revision: 4, generation: 0 });
  assert.deepEqual(scripted.messages.at(-1), { type: "activated", revision: 4, generation: 0 });
});

Deno.test("WorkerSeat asks nobody when the place is empty, and what is sent to the dead is dropped", async () => {
  await using scripted = new Scripted();
  await scripted.start(`${READY}; ${WAIT}`);
  const { worker } = scripted.seat;
  worker!.kill();
  await scripted.ended();
  await assert.rejects(scripted.seat.prepare(PREPARATION), refusal(/^worker 3 has ended$/));
  worker!.send({ type: "abort" });
  worker!.kill();
});

Deno.test("WorkerProcess sees no variable but those it is given, and is a process group of its own", async () => {
  await using scripted = new Scripted();
  const detail =
    '"$(env | sort | cut -d= -f1 | grep -v ^PWD | grep -v ^_ | grep -v ^SHLVL | grep -v ^OLDPWD | tr "\\n" " ")"';
  const log = `printf '{"type":"log","level":"info","event":"env","detail":"%s"}\\n' ${detail}`;
  await scripted.start(`${log}; ${READY}; ${WAIT}`, { PATH: Deno.env.get("PATH")!, ONLY: "this" }).catch(
    () => {},
  );
  const [message] = scripted.messages;
  assert.equal(message?.type === "log" && message.detail.trim(), "ONLY PATH");
  const { pid } = scripted.seat.worker!;
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  assert.equal(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]), pid);
});

Deno.test("WorkerSeat.look() counts looks without a beat, five of which are a hang", () => {
  const seat = new WorkerSeat(0);
  const looks = (beats: readonly number[]) => beats.map((beat) => seat.look(beat));
  assert.deepEqual(looks([1, 1, 1, 1, 1]), [false, false, false, false, false]);
  assert.deepEqual(looks([2, 2, 2, 2, 2, 2, 2]), [false, false, false, false, false, true, true]);
  assert.deepEqual(looks([3, 4, 5, 4]), [false, false, false, false]);
});
