/**
 * Goal: a change that was taken back has no say in the next one. Method: a worker dies while the other one still
 * prepares a large state; the next change, begun at once, is one that no worker can serve.
 */

import assert from "node:assert/strict";
import { eventually } from "../e2e/eventually.ts";
import { blockRules } from "../state/configurations.ts";
import { freePort } from "../support/ports.ts";
import { childrenOf, signalProcess } from "../support/processes.ts";
import { createWorkers, listenerOn, routeTo, stateOf } from "./workers.ts";

const RULES = 60_000;
/** Less than what tells a worker of them, and more than it is told otherwise. */
const PART_BYTES = 50_000;

/** What a process has read from files and pipes. */
function bytesRead(pid: number): number {
  return Number(/^rchar: (\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/io`))![1]);
}

Deno.test("Supervisor.change() isn't taken in by an answer to the change before, which was aborted", async () => {
  await using workers = createWorkers(2);
  const { supervisor } = workers;
  const listener = listenerOn(1, freePort(), [routeTo(1, "a.test", 1)]);
  const before = childrenOf(Deno.pid);
  await supervisor.start(stateOf({ listeners: [listener], firewallRules: [] }), () => {});
  const served = supervisor.served;
  const firewallRules = blockRules(RULES);
  const large = stateOf({ listeners: [listener], firewallRules }, 2);
  const [dying, other] = childrenOf(Deno.pid).filter((pid) => !before.includes(pid));
  signalProcess(dying!, "SIGSTOP");
  const told = bytesRead(other!);
  const changing = supervisor.change(large, () => assert.fail("committed without one worker"));
  const refused = assert.rejects(changing, { code: "unavailable" });
  await eventually("a preparation on its way", () => bytesRead(other!) > told + PART_BYTES);
  signalProcess(dying!, "SIGKILL");
  await refused;

  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const impossible = listenerOn(2, taken.addr.port, [routeTo(2, "a.test", 1)]);
  const next = stateOf({ listeners: [listener, impossible], firewallRules: [] }, 2);
  const impossibly = supervisor.change(next, () => assert.fail("committed what nobody can serve"));
  await assert.rejects(impossibly, /Address already in use/);
  assert.equal(supervisor.served, served);
  await supervisor.change(
    stateOf({ listeners: [listener], firewallRules: firewallRules.slice(0, 10) }, 2),
    () => {},
  );
  assert.deepEqual(workers.log.filter(({ event }) => event === "worker_stderr"), []);
});
