/**
 * Goal: a worker that comes to serve while a change is under way is part of it. Method: places whose answers the test
 * gives, and then real workers, one of which dies just before a change that takes the other one a while.
 */

import assert from "node:assert/strict";
import { JointPreparation } from "../../src/control/joint_preparation.ts";
import { ProxyError } from "../../src/errors.ts";
import type { WorkerSeat } from "../../src/control/worker_seat.ts";
import type { Preparation } from "../../src/proxy/preparation.ts";
import { eventually } from "../e2e/eventually.ts";
import { blockRules } from "../state/configurations.ts";
import { freePort } from "../support/ports.ts";
import { childrenOf, signalProcess } from "../support/processes.ts";
import { createWorkers, listenerOn, routeTo, stateOf } from "./workers.ts";

const RULES = 60_000;
const NUMBERS = { revision: 2, generation: 0 };

/** A place whose worker answers when the test says so. */
class Place {
  readonly told: string[] = [];
  worker: { hasJoined: boolean; send(message: { type: string }): void } | undefined;
  answer = Promise.withResolvers<void>();

  constructor(hasJoined: boolean) {
    this.fill(hasJoined);
  }

  fill(hasJoined: boolean): void {
    this.worker = { hasJoined, send: ({ type }) => void this.told.push(type) };
  }

  prepare(): Promise<void> {
    this.told.push("prepare");
    return this.answer.promise;
  }

  activate(): Promise<void> {
    this.told.push("activate");
    return Promise.resolve();
  }
}

function jointOf(...places: Place[]): { joint: JointPreparation; decided: Promise<void> } {
  const joint = new JointPreparation(places as unknown as WorkerSeat[]);
  const decided = joint.prepare({} as Preparation, () => places.forEach(({ told }) => told.push("decided")));
  return { joint, decided };
}

Deno.test("JointPreparation.prepare() asks a worker that joins meanwhile, and decides when it has prepared", async () => {
  const [first, second] = [new Place(true), new Place(false)];
  const { joint, decided } = jointOf(first, second);
  assert.deepEqual([first.told, second.told], [["prepare"], []]);
  second.worker!.hasJoined = true;
  first.answer.resolve();
  await eventually("a question to the second", () => Promise.resolve(second.told.length > 0));
  assert.deepEqual(first.told, ["prepare"]);
  second.answer.resolve();
  await decided;
  await joint.activate(NUMBERS);
  assert.deepEqual(second.told, ["prepare", "decided", "activate"]);
});

Deno.test("JointPreparation.activate() leaves out a place whose worker is another one than was asked", async () => {
  const [first, second] = [new Place(true), new Place(true)];
  const { joint, decided } = jointOf(first, second);
  first.answer.resolve();
  second.answer.resolve();
  await decided;
  second.fill(false);
  await joint.activate(NUMBERS);
  assert.deepEqual([first.told, second.told], [["prepare", "decided", "activate"], ["prepare", "decided"]]);
});

Deno.test("JointPreparation.prepare() decides nothing when one can't, and lets all forget it", async () => {
  const [first, second] = [new Place(true), new Place(true)];
  const { decided } = jointOf(first, second);
  first.answer.reject(new ProxyError("unavailable", "no"));
  second.answer.resolve();
  await assert.rejects(decided, /no/);
  assert.deepEqual([first.told, second.told], [["prepare", "abort"], ["prepare", "abort"]]);
});

Deno.test("Supervisor.change() leaves no worker behind that was replaced meanwhile", async () => {
  await using workers = createWorkers(2);
  const { supervisor } = workers;
  const listener = listenerOn(1, freePort(), [routeTo(1, "a.test", 1)]);
  const before = childrenOf(Deno.pid);
  await supervisor.start(stateOf({ listeners: [listener], firewallRules: [] }), () => {});
  const [dying] = childrenOf(Deno.pid).filter((pid) => !before.includes(pid));
  signalProcess(dying!, "SIGKILL");
  await workers.logged("worker_lost");
  const firewallRules = blockRules(RULES);
  await supervisor.change(stateOf({ listeners: [listener], firewallRules }, 2), () => {});
  await eventually(
    "both on revision 2",
    () => Promise.resolve(supervisor.workers.every(({ serves }) => serves?.revision === 2)),
  );
  assert.equal(supervisor.restarts, 1);
});
