import assert from "node:assert/strict";

import { type IpAddress, parseIpAddress } from "../../src/policy/ip_address.ts";
import { parseFromWorker } from "../../src/proxy/messages.ts";
import type { ConnectionFilter, QueriedConnection } from "../../src/proxy/connection_query.ts";
import { closeConnections, listConnections } from "../../src/proxy/query_answers.ts";
import type { Reason } from "../../src/reasons.ts";

/** A connection that is in the set while it is open. */
class Fake implements QueriedConnection {
  readonly clientPort = 1_000;
  readonly serverName = "a.test";
  readonly backendAddress = { host: "127.0.0.1", port: 1 };
  readonly bytesReceived = 1;
  readonly bytesSent = 2;
  readonly listenerName: string;
  readonly client;
  readonly route;
  endedBy: Reason | undefined;
  isDrained = false;
  readonly termination = { drain: () => void (this.isDrained = true) };

  constructor(
    readonly open: Set<Fake>,
    readonly id: string,
    readonly listenerId: number,
    client: string,
    routeId: number,
    readonly nowMs: number,
  ) {
    this.listenerName = `127.0.0.1:${listenerId}`;
    this.client = parseIpAddress(client)!;
    this.route = {
      id: routeId,
      hostname: `${routeId}.test`,
      backend: this.backendAddress,
      enabled: true,
      mode: "l4",
      sendProxyProtocol: false,
      maxConnections: 0,
    } as const;
    open.add(this);
  }

  country(): string | undefined {
    return this.client.text.startsWith("192.") ? "DE" : undefined;
  }

  end(reason: Reason): void {
    this.endedBy ??= reason;
    this.open.delete(this);
  }
}

function four(): Set<Fake> {
  const open = new Set<Fake>();
  new Fake(open, "a", 1, "192.0.2.1", 5, 100);
  new Fake(open, "b", 1, "192.0.2.9", 6, 200);
  new Fake(open, "c", 2, "2001:db8::1", 7, 300);
  new Fake(open, "d", 2, "10.0.0.1", 7, 400);
  return open;
}

function isBlocked({ text }: IpAddress): boolean {
  return text.endsWith("1") && text !== "10.0.0.1";
}

function listed(filter: ConnectionFilter, limit = 100): [ids: string, total: number] {
  const parts = [...listConnections(four(), { filter, limit }, isBlocked)];
  assert.deepEqual(parts.map(({ isLast }) => isLast), [...parts.slice(1).map(() => false), true]);
  for (const part of parts) {
    const line = JSON.stringify({ type: "listed", query: 3, ...part });
    assert.deepEqual(parseFromWorker(line), JSON.parse(line));
  }
  return [parts.flatMap(({ connections }) => connections.map(({ id }) => id)).join(""), parts[0]!.total];
}

Deno.test("listConnections() lists what every condition of the filter holds for", () => {
  const cases: [ConnectionFilter, string][] = [
    [{}, "abcd"],
    [{ listenerIds: [1] }, "ab"],
    [{ routeIds: [7] }, "cd"],
    [{ hostname: "6.test" }, "b"],
    [{ client: "192.0.2.0/24" }, "ab"],
    [{ client: "192.0.2.9" }, "b"],
    [{ client: "2001:db8::/32" }, "c"],
    [{ client: "nonsense" }, ""],
    [{ country: "DE" }, "ab"],
    [{ acceptedBeforeMs: 200 }, "ab"],
    [{ ids: ["d", "x"] }, "d"],
    [{ listenerIds: [2], client: "10.0.0.0/8" }, "d"],
    [{ isBlocked: true }, "ac"],
    [{ isBlocked: true, client: "192.0.2.0/24" }, "a"],
  ];
  for (const [filter, expected] of cases) {
    assert.deepEqual(listed(filter), [expected, expected.length], JSON.stringify(filter));
  }
  assert.deepEqual(listed({}, 3), ["abc", 4]);
});

Deno.test("closeConnections() ends what matches now", () => {
  const open = four();
  const all = [...open];
  assert.equal(
    closeConnections(open, { filter: { listenerIds: [2] }, reason: "killed", afterMs: 0 }, isBlocked),
    2,
  );
  assert.deepEqual(all.map(({ endedBy }) => endedBy), [undefined, undefined, "killed", "killed"]);
});

Deno.test("closeConnections() drains what matches and ends only what is open still when its time is over", async () => {
  const open = four();
  const [first, second, third] = open;
  assert.equal(
    closeConnections(open, { filter: { listenerIds: [1] }, reason: "drained", afterMs: 20 }, isBlocked),
    2,
  );
  assert.deepEqual([first?.isDrained, second?.isDrained, third?.isDrained], [true, true, false]);
  open.delete(first!);
  const { promise, resolve } = Promise.withResolvers<void>();
  second!.end = function (reason) {
    this.endedBy = reason;
    resolve();
  };
  const keepAlive = setTimeout(() => {}, 10_000);
  await promise;
  clearTimeout(keepAlive);
  assert.deepEqual([first?.endedBy, second?.endedBy, third?.endedBy], [undefined, "drained", undefined]);
});

Deno.test("parseFromWorker() refuses an answer that isn't well formed", () => {
  const good = { type: "listed", query: 1, connections: [], total: 0, isLast: true };
  assert.ok(parseFromWorker(JSON.stringify(good)) !== undefined);
  for (const bad of [{ query: -1 }, { total: "0" }, { isLast: 1 }, { connections: [{ id: "a" }] }]) {
    assert.equal(parseFromWorker(JSON.stringify({ ...good, ...bad })), undefined);
  }
  assert.equal(parseFromWorker('{"type":"closed","query":1}'), undefined);
});
