/**
 * Goal: a change that some worker can't serve is never committed, whatever was going on before. Method: a large change
 * fails because one worker dies while the other still prepares; the next change wants a port that is taken.
 *
 * @module
 */

import assert from "node:assert/strict";
import { blockRule } from "../state/configurations.ts";
import { freePorts } from "../support/ports.ts";
import { childrenOf, signalProcess } from "../support/processes.ts";
import { createWorkers, listenerOn, routeTo, stateOf } from "./workers.ts";

/** Enough for a preparation that takes longer than a process takes to die. */
const RULES = 60_000;

Deno.test("Supervisor.change() doesn't take a late answer to an aborted change for one to the next", async () => {
  await using workers = createWorkers(2);
  const { supervisor } = workers;
  const [port] = freePorts(1) as [number];
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listener = listenerOn(1, port, [routeTo(1, "a.test", 1)]);
  await supervisor.start(stateOf({ listeners: [listener], firewallRules: [] }), () => {});

  const firewallRules = Array.from(
    { length: RULES },
    (_, index) => blockRule(index + 1, "ip", `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`),
  );
  const large = stateOf({ listeners: [listener], firewallRules }, 2);
  const changing = supervisor.change(large, () => assert.fail("committed without one worker"));
  const [first] = childrenOf(Deno.pid) as [number];
  signalProcess(first, "SIGKILL");
  await assert.rejects(changing);

  const unbindable = listenerOn(2, taken.addr.port, [routeTo(2, "a.test", 1)]);
  const next = stateOf({ listeners: [listener, unbindable], firewallRules: [] }, 2);
  await assert.rejects(supervisor.change(next, () => assert.fail("committed what can't be bound")));
});
