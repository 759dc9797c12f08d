/**
 * A supervisor in this process with two real workers: what becomes of connections while the state under them changes,
 * and that a change that one worker can't make is made by none.
 */

import assert from "node:assert/strict";
import { ProxyError } from "../../src/errors.ts";
import type { Configuration, FirewallRule } from "../../src/state/model.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { freePorts } from "../support/ports.ts";
import { openClient, parseAlert, type RawClient } from "../support/raw_client.ts";
import { eventually } from "../e2e/eventually.ts";
import { createWorkers, listenerOn, routeTo, stateOf, type Workers } from "./workers.ts";

/** New connections until both workers have very likely had one. */
const TRIES = 12;
const UNKNOWN_NAME = 112;

/** Opens a stream; its hello has come back, or the alert's number is returned, or `reset`. */
async function connect(port: number, serverName: string): Promise<RawClient | number | "reset"> {
  const client = await openClient(`127.0.0.1:${port}`).catch((error) => {
    // A RST can be here before the connect has been told of.
    if (error.code !== "ECONNRESET") throw error;
  });
  if (client === undefined) return "reset";
  const hello = clientHello({ serverName });
  await client.send(hello).catch(() => {});
  const first = await client.read();
  if (first !== null && first[0] === 22) return client;
  client[Symbol.dispose]();
  return first === null ? "reset" : parseAlert(first)!.description;
}

async function check(port: number, serverName: string, expected: "served" | number | "reset"): Promise<void> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const answer = await connect(port, serverName);
    if (typeof answer === "object") answer[Symbol.dispose]();
    assert.equal(typeof answer === "object" ? "served" : answer, expected, `${serverName} on ${port}`);
  }
}

function isListening(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return false;
  } catch {
    return true;
  }
}

async function echoes(client: RawClient): Promise<void> {
  const bytes = new TextEncoder().encode("still here");
  await client.send(bytes);
  assert.deepEqual(await client.readBytes(bytes.length), bytes);
}

/** Waits until every hello's echo has been read, so that what comes next is an echo of ours. */
async function stream(port: number, serverName: string): Promise<RawClient> {
  const client = await connect(port, serverName);
  assert.ok(typeof client === "object");
  return client;
}

interface Scene {
  readonly workers: Workers;
  readonly backend: Backend;
  readonly ports: readonly [number, number, number];
  readonly first: Configuration;
}

/** Two workers that serve `a.test` and `b.test` on the first port. */
async function scene(use: (scene: Scene) => Promise<void>): Promise<void> {
  await using backend = echoBackend();
  await using workers = createWorkers();
  const ports = freePorts(3) as [number, number, number];
  const routes = [routeTo(1, "a.test", backend.port), routeTo(2, "b.test", backend.port)];
  const first = { listeners: [listenerOn(1, ports[0], routes)], firewallRules: [] };
  let commits = 0;
  await workers.supervisor.start(stateOf(first), () => void commits++);
  assert.equal(commits, 1);
  await use({ workers, backend, ports, first });
  assert.equal(await workers.supervisor.drain(5_000), 0);
  assert.deepEqual(workers.log.filter(({ level }) => level === "error"), []);
}

Deno.test("change() adds and removes listeners and routes under open connections", () =>
  scene(async ({ workers: { supervisor }, backend, ports: [one, two], first }) => {
    await check(one, "a.test", "served");
    await check(one, "c.test", UNKNOWN_NAME);
    const streams = await Promise.all(Array.from({ length: TRIES }, () => stream(one, "b.test")));

    const second: Configuration = {
      listeners: [
        listenerOn(1, one, [routeTo(1, "a.test", backend.port), routeTo(3, "c.test", backend.port)]),
        listenerOn(2, two, [routeTo(4, "d.test", backend.port)]),
      ],
      firewallRules: [],
    };
    let isCommitted = false;
    await supervisor.change(stateOf(second, 2), () => void (isCommitted = true));
    assert.ok(isCommitted);
    assert.equal(supervisor.served?.revision, 2);
    await check(one, "a.test", "served");
    await check(one, "b.test", UNKNOWN_NAME);
    await check(one, "c.test", "served");
    await check(two, "d.test", "served");
    await check(two, "a.test", UNKNOWN_NAME);
    for (const client of streams) await echoes(client);

    await supervisor.change(stateOf(first, 3), () => {});
    await eventually("a port that is free again", () => !isListening(two));
    await check(one, "b.test", "served");
    for (const client of streams) {
      await echoes(client);
      await client.finish();
      assert.equal((await client.readToEnd()).end, "fin");
      client[Symbol.dispose]();
    }
  }));

Deno.test("change() carries 20,000 firewall rules in parts", () =>
  scene(async ({ workers: { supervisor }, ports: [one], first }) => {
    const rules = Array.from({ length: 20_000 }, (_, index): FirewallRule => ({
      id: index + 1,
      type: "ip",
      value: `10.${index >> 16}.${index >> 8 & 255}.${index & 255}`,
      action: "block",
      mode: "enforce",
      comment: `number ${index} of many, with a comment of some length`,
    }));
    const client = await stream(one, "a.test");
    await supervisor.change(stateOf({ ...first, firewallRules: rules }, 2), () => {});
    await check(one, "a.test", "served");
    const blocked = { ...rules[0]!, id: 30_000, value: "127.0.0.1" };
    await supervisor.change(stateOf({ ...first, firewallRules: [...rules, blocked] }, 3), () => {});
    await check(one, "a.test", "reset");
    await supervisor.change(stateOf({ ...first, firewallRules: rules.slice(10) }, 4), () => {});
    await check(one, "a.test", "served");
    await echoes(client);
    client[Symbol.dispose]();
  }));

Deno.test("change() is refused by all when a worker can't bind, and nothing has changed", () =>
  scene(async ({ workers: { supervisor }, backend, ports: [one, two, three], first }) => {
    using _taken = Deno.listen({ hostname: "127.0.0.1", port: three });
    const client = await stream(one, "b.test");
    const next: Configuration = {
      listeners: [
        listenerOn(1, one, [routeTo(3, "c.test", backend.port)]),
        listenerOn(2, two, [routeTo(4, "d.test", backend.port)]),
        listenerOn(3, three, []),
      ],
      firewallRules: [],
    };
    let isCommitted = false;
    await assert.rejects(
      supervisor.change(stateOf(next, 2), () => void (isCommitted = true)),
      (error) => error instanceof ProxyError && error.code === "unavailable",
    );
    assert.equal(isCommitted, false);
    assert.equal(supervisor.served?.revision, 1);
    await echoes(client);
    client[Symbol.dispose]();
    await check(one, "b.test", "served");
    await check(one, "c.test", UNKNOWN_NAME);
    // Whoever had bound it has let it go again; the change that can be made is made afterwards.
    const possible = { ...next, listeners: next.listeners.slice(0, 2) };
    await supervisor.change(stateOf(possible, 2), () => {});
    await check(two, "d.test", "served");
    await supervisor.change(stateOf(first, 3), () => {});
    await check(one, "b.test", "served");
  }));

Deno.test("change() is taken back by all when it can't be made durable", () =>
  scene(async ({ workers: { supervisor }, backend, ports: [one, two], first }) => {
    const next = {
      listeners: [...first.listeners, listenerOn(2, two, [routeTo(4, "d.test", backend.port)])],
      firewallRules: [],
    };
    const failed = new Error("the disk is full");
    await assert.rejects(
      supervisor.change(stateOf(next, 2), () => {
        assert.ok(isListening(two), "bound before the commit");
        throw failed;
      }),
      failed,
    );
    await eventually("a port that is free again", () => !isListening(two));
    await check(one, "b.test", "served");
    await supervisor.change(stateOf(next, 2), () => {});
    await check(two, "d.test", "served");
  }));

Deno.test("a worker that dies is replaced by one that serves the current state", () =>
  scene(async ({ workers, ports: [one], backend }) => {
    const next = {
      listeners: [listenerOn(1, one, [routeTo(9, "z.test", backend.port)])],
      firewallRules: [],
    };
    await workers.supervisor.change(stateOf(next, 2), () => {});
    // A message that is none of ours ends a worker with an error.
    workers.supervisor.send(0, { type: "activate", revision: 99, generation: 0 });
    const lost = await workers.logged("worker_lost");
    assert.equal(lost?.["worker"], 0);
    assert.equal((await workers.logged("worker_replaced"))?.["worker"], 0);
    assert.equal(workers.supervisor.restarts, 1);
    await check(one, "z.test", "served");
    await check(one, "a.test", UNKNOWN_NAME);
    workers.log.length = 0;
  }));

Deno.test("start() leaves no worker when one can't serve or the commit fails", async () => {
  const [free, taken] = freePorts(2) as [number, number];
  using _listener = Deno.listen({ hostname: "127.0.0.1", port: taken });
  for (const [port, commit] of [[taken, () => {}], [free, () => assert.fail("no commit")]] as const) {
    await using workers = createWorkers();
    const state = stateOf({ listeners: [listenerOn(1, port, [])], firewallRules: [] });
    await assert.rejects(workers.supervisor.start(state, commit));
    if (port === free) assert.equal(isListening(free), false);
  }
});
