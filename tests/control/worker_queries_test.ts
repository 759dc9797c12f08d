import assert from "node:assert/strict";

import { WorkerQueries } from "../../src/control/worker_queries.ts";
import type { OpenConnection } from "../../src/proxy/connection_query.ts";

const CONNECTION: OpenConnection = {
  id: "a",
  listener: "127.0.0.1:1",
  client: "127.0.0.1:2",
  acceptedMs: 0,
  bytesReceived: 0,
  bytesSent: 0,
};

function queriesOf(columns: readonly number[]): { queries: WorkerQueries; sent: [number, number][] } {
  const sent: [number, number][] = [];
  const queries = new WorkerQueries({
    columns: () => columns,
    send: (column, message) => {
      if (message.type === "list" || message.type === "close") sent.push([column, message.query]);
    },
  });
  return { queries, sent };
}

Deno.test("WorkerQueries puts the parts of all workers together and leaves out one that has died", async () => {
  const { queries, sent } = queriesOf([0, 1, 2]);
  const listed = queries.list({}, 2);
  assert.deepEqual(sent, [[0, 1], [1, 1], [2, 1]]);
  const part = { type: "listed", query: 1, connections: [CONNECTION], total: 2, isLast: false } as const;
  queries.answered(0, part);
  queries.answered(0, { ...part, isLast: true });
  queries.answered(1, { ...part, connections: [], total: 0, isLast: true });
  queries.lost(2);
  const { connections, total } = await listed;
  assert.deepEqual(connections.map(({ worker }) => worker), [0, 0]);
  assert.equal(total, 2);
});

Deno.test("WorkerQueries holds no more connections than were asked for", async () => {
  const { queries } = queriesOf([0]);
  const listed = queries.list({}, 3);
  const part = {
    type: "listed",
    query: 1,
    connections: [CONNECTION, CONNECTION],
    total: 9,
    isLast: false,
  } as const;
  for (let count = 0; count < 4; count++) queries.answered(0, part);
  queries.answered(0, { ...part, isLast: true });
  const { connections, total } = await listed;
  assert.deepEqual([connections.length, total], [3, 9]);
});

Deno.test("WorkerQueries adds up what the workers have closed, and ignores a second answer", async () => {
  const { queries } = queriesOf([0, 1]);
  const closed = queries.close({}, "killed", 0);
  queries.answered(0, { type: "closed", query: 1, count: 3 });
  queries.answered(0, { type: "closed", query: 1, count: 3 });
  queries.answered(9, { type: "closed", query: 1, count: 3 });
  queries.answered(1, { type: "closed", query: 1, count: 4 });
  assert.equal(await closed, 7);
  queries.answered(1, { type: "closed", query: 1, count: 4 });
});

Deno.test("WorkerQueries answers nothing when no worker serves", async () => {
  const { queries } = queriesOf([]);
  assert.deepEqual(await queries.list({}, 1), { connections: [], total: 0 });
});
