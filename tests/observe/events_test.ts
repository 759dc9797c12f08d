import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ConnectionEvent,
  isConnectionEvent,
  isRequestEvent,
  type RequestEvent,
} from "../../src/observe/events.ts";
import { REASON_NAMES } from "../../src/reasons.ts";

const LEAST: ConnectionEvent = {
  time: 0,
  id: "",
  listener: "",
  client: "",
  reason: "internal",
  bytes_received: 0,
  bytes_sent: 0,
  total_ms: 0,
};
const WHOLE: Required<ConnectionEvent> = {
  ...LEAST,
  time: 1_790_000_000_000,
  sni: "a.test",
  alpn: ["h2"],
  ech_offered: false,
  route: "*.test",
  rule: "ip:192.0.2.1",
  shadow: ["country:DE"],
  backend: "127.0.0.1:1",
  hello_ms: 0.5,
  dial_ms: 1,
  tls_ms: 2,
  unlogged: 3,
};
const COUNTS = [
  "time",
  "bytes_received",
  "bytes_sent",
  "total_ms",
  "hello_ms",
  "dial_ms",
  "tls_ms",
  "unlogged",
];
const TEXTS = ["id", "listener", "client", "sni", "route", "rule", "backend"];
const LISTS = ["alpn", "shadow"];

Deno.test("isConnectionEvent() takes what a worker may say", () => {
  assert.ok(isConnectionEvent(LEAST));
  assert.ok(isConnectionEvent(WHOLE));
  assert.ok(isConnectionEvent({ ...WHOLE, sni: "n".repeat(1_024), alpn: Array(64).fill("") }));
  for (const reason of REASON_NAMES) assert.ok(isConnectionEvent({ ...LEAST, reason }), reason);
});

Deno.test("isConnectionEvent() refuses an event without one of the fields that all have", () => {
  for (const name of Object.keys(LEAST)) {
    const { [name as keyof ConnectionEvent]: _, ...rest } = WHOLE;
    assert.equal(isConnectionEvent(rest), false, name);
  }
});

Deno.test("isConnectionEvent() refuses a field of another kind", () => {
  const rows: [names: readonly string[], values: readonly unknown[]][] = [
    [COUNTS, [-1, "1", null, Number.NaN, {}, [1], true]],
    [TEXTS, [1, null, {}, ["a"], true, "n".repeat(1_025)]],
    [LISTS, ["h2", null, {}, [1], [null], ["n".repeat(1_025)], Array(65).fill("h2"), [["h2"]]]],
    [["ech_offered"], [0, 1, "true", null]],
    [["reason"], ["", "no_such_reason", "toString", "__proto__", "constructor", 1, null, ["internal"]]],
  ];
  const names = new Set(rows.flatMap(([each]) => each));
  assert.deepEqual(names, new Set(Object.keys(WHOLE)), "every field has a row");
  for (const [fields, values] of rows) {
    for (const name of fields) {
      for (const value of values) {
        assert.equal(isConnectionEvent({ ...WHOLE, [name]: value }), false, `${name}: ${String(value)}`);
      }
    }
  }
});

Deno.test("isConnectionEvent() refuses what isn't an object at all, and never throws", () => {
  for (const value of [undefined, null, 1, "event", true, [], [LEAST], () => LEAST]) {
    assert.equal(isConnectionEvent(value), false);
  }
  const anything = fc.anything({ withNullPrototype: true });
  fc.assert(fc.property(anything, (value) => !isConnectionEvent(value) && !isRequestEvent(value)));
});

const REQUEST: Required<RequestEvent> = {
  type: "request",
  time: 1_790_000_000_000,
  connection: "k-1",
  request: "k-1-1",
  route: "a.test",
  backend: "127.0.0.1:1",
  method: "GET",
  authority: "a.test",
  path: "/?q",
  status: 200,
  bytes_received: 0,
  bytes_sent: 5,
  first_byte_ms: 1,
  total_ms: 2,
  retried: true,
};

Deno.test("isRequestEvent() takes a whole event and refuses any field of another kind", () => {
  assert.ok(isRequestEvent(REQUEST));
  assert.equal(isRequestEvent(WHOLE), false);
  assert.equal(isConnectionEvent(REQUEST), false);
  const isOptional = new Set(["backend", "first_byte_ms", "retried"]);
  for (const [name, value] of Object.entries(REQUEST)) {
    const { [name as keyof RequestEvent]: _, ...rest } = REQUEST;
    assert.equal(isRequestEvent(rest), isOptional.has(name), `without ${name}`);
    const bad = typeof value === "number" ? [-1, "1", null] : [1, null, {}, "n".repeat(1_025)];
    for (const other of bad) {
      assert.equal(isRequestEvent({ ...REQUEST, [name]: other }), false, `${name} ${other}`);
    }
  }
});
