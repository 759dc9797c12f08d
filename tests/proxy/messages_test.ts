import assert from "node:assert/strict";
import fc from "fast-check";
import type { ConnectionEvent } from "../../src/observe/events.ts";
import { BATCH_EVENTS, parseFromWorker } from "../../src/proxy/messages.ts";

const EVENT: ConnectionEvent = {
  time: 1,
  id: "k-1",
  listener: "0.0.0.0:443",
  client: "192.0.2.1:1",
  reason: "client_eof",
  bytes_received: 1,
  bytes_sent: 2,
  total_ms: 3,
};
const REQUEST = {
  type: "request",
  time: 1,
  connection: "k-1",
  request: "k-1-1",
  route: "a.test",
  method: "GET",
  authority: "a.test",
  path: "/",
  status: 200,
  bytes_received: 0,
  bytes_sent: 0,
  total_ms: 1,
};

const GOOD: readonly Record<string, unknown>[] = [
  { type: "ready", build: "1.2.3" },
  { type: "prepared", revision: 0, generation: 0 },
  { type: "activated", revision: Number.MAX_SAFE_INTEGER, generation: 7 },
  { type: "refused", revision: 1, generation: 0, reason: "" },
  { type: "forgotten", listenerIds: [1], routeIds: [2, 3] },
  { type: "events", events: [] },
  { type: "events", events: [EVENT, REQUEST] },
  { type: "events", events: Array(BATCH_EVENTS).fill(EVENT) },
  { type: "drained", cut: 0 },
  { type: "log", level: "error", event: "defect", detail: "d".repeat(4_096) },
];

/** Values that stand in no field. */
const BAD_VALUES: readonly unknown[] = [null, -1, 1.5, "1", "x".repeat(4_097), [], {}, [[]], true, [null]];

/** Values that another kind of field may hold. */
function isAllowed(name: string, value: unknown): boolean {
  if (name === "build" || name === "reason" || name === "event" || name === "detail") return value === "1";
  const isList = name === "events" || name === "listenerIds" || name === "routeIds";
  return isList && Array.isArray(value) && value.length === 0;
}

Deno.test("parseFromWorker() takes every message that a worker has", () => {
  for (const message of GOOD) assert.deepEqual(parseFromWorker(JSON.stringify(message)), message);
  for (const level of ["error", "warning", "info"]) {
    assert.ok(parseFromWorker(JSON.stringify({ type: "log", level, event: "e", detail: "" })));
  }
});

Deno.test("parseFromWorker() refuses a message with a field of another kind, or without it", () => {
  for (const message of GOOD) {
    for (const name of Object.keys(message)) {
      const { [name]: _, ...without } = message;
      const others = BAD_VALUES.filter((value) => !isAllowed(name, value)).map((value) => ({
        ...message,
        [name]: value,
      }));
      for (const bad of [without, ...others]) {
        assert.equal(parseFromWorker(JSON.stringify(bad)), undefined, JSON.stringify(bad).slice(0, 200));
      }
    }
  }
});

Deno.test("parseFromWorker() refuses everything else and never throws", () => {
  const rows = [
    "",
    " ",
    "null",
    "1",
    '"ready"',
    "[]",
    "{}",
    "{",
    '{"type":"ready"',
    '{"type":"start","build":"1"}',
    '{"type":"prepare"}',
    '{"type":"__proto__"}',
    '{"type":["ready"],"build":"1"}',
    JSON.stringify({ type: "log", level: "debug", event: "e", detail: "" }),
    JSON.stringify({ type: "events", events: Array(BATCH_EVENTS + 1).fill(EVENT) }),
    JSON.stringify({ type: "events", events: [EVENT, { ...EVENT, reason: "none" }] }),
    `${JSON.stringify(GOOD[0])} ${JSON.stringify(GOOD[0])}`,
  ];
  for (const line of rows) assert.equal(parseFromWorker(line), undefined, line.slice(0, 100));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => parseFromWorker(line) === undefined));
});
