import assert from "node:assert/strict";

import { clientOf, ConnectionFeed, REMEMBERED_MAX } from "../../src/admin/connection_feed.ts";
import type { ConnectionEvent } from "../../src/observe/events.ts";

function event(id: number): ConnectionEvent {
  return {
    time: id,
    id: String(id),
    listener: "127.0.0.1:1",
    client: "[2001:db8::1]:5",
    reason: "client_eof",
    bytes_received: 0,
    bytes_sent: 0,
    total_ms: 0,
  };
}

async function idsOf(events: AsyncIterable<ConnectionEvent>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of events) ids.push(id);
  return ids;
}

Deno.test("ConnectionFeed remembers the last events in their order", () => {
  const feed = new ConnectionFeed();
  feed.add(event(1));
  assert.deepEqual(feed.remembered.map(({ id }) => id), ["1"]);
  for (let id = 2; id <= REMEMBERED_MAX + 3; id++) feed.add(event(id));
  assert.equal(feed.remembered.length, REMEMBERED_MAX);
  assert.deepEqual([feed.remembered[0]?.id, feed.remembered.at(-1)?.id], ["4", String(REMEMBERED_MAX + 3)]);
});

Deno.test("ConnectionFeed tells a watcher what matches until it goes", async () => {
  const feed = new ConnectionFeed();
  const stop = new AbortController();
  const watch = feed.watch(({ id }) => Number(id) % 2 === 0, stop.signal);
  feed.add(event(1));
  feed.add(event(2));
  const told = idsOf(watch);
  feed.add(event(4));
  await Promise.resolve();
  stop.abort();
  assert.deepEqual(await told, ["2", "4"]);
  assert.equal(feed.watchers, 0);
  assert.equal(watch.isLate, false);
});

Deno.test("ConnectionFeed ends a watcher at once whose time was over before it came", async () => {
  const feed = new ConnectionFeed();
  const watch = feed.watch(() => true, AbortSignal.abort());
  assert.equal(feed.watchers, 0);
  assert.deepEqual(await idsOf(watch), []);
});

Deno.test("ConnectionFeed ends a watcher that doesn't keep up, after what has fitted", async () => {
  const feed = new ConnectionFeed();
  using watch = feed.watch(() => true, new AbortController().signal);
  for (let id = 0; id < 1_100; id++) feed.add(event(id));
  assert.equal((await idsOf(watch)).length, 1_000);
  assert.equal(watch.isLate, true);
});

Deno.test("clientOf() reads the address of a client", () => {
  assert.equal(clientOf({ client: "[2001:db8::1]:5" })?.text, "2001:db8::1");
  assert.equal(clientOf({ client: "192.0.2.1:5" })?.text, "192.0.2.1");
  assert.equal(clientOf({ client: "?" }), undefined);
});
