import assert from "node:assert/strict";
import fc from "fast-check";
import { nearest } from "../../src/config/nearest.ts";

const KEYS = ["connect_timeout", "dial_timeout", "idle_timeout", "workers", "addr", "max_connections"];

const ROWS: readonly [word: string, expected: string | undefined][] = [
  ["idle_timout", "idle_timeout"],
  ["idletimeout", "idle_timeout"],
  ["Idle_Timeout", "idle_timeout"],
  ["worker", "workers"],
  ["address", undefined],
  ["adr", "addr"],
  ["max_connection", "max_connections"],
  ["dail_timeout", "dial_timeout"],
  ["colour", undefined],
  ["", undefined],
  ["x", undefined],
  ["idle_timeout".repeat(10), undefined],
];

Deno.test("nearest() finds the key that was meant when at most a third of it differs", async (t) => {
  for (const [word, expected] of ROWS) {
    await t.step(JSON.stringify(word), () => assert.equal(nearest(word, KEYS), expected));
  }
});

Deno.test("nearest() finds a long key again after any one slip", () => {
  const long = KEYS.filter((key) => key.length >= 7);
  const slips = fc.record({
    key: fc.constantFrom(...long),
    at: fc.nat({ max: 6 }),
    letter: fc.constantFrom(..."xyz"),
    kind: fc.constantFrom("insert", "delete", "replace"),
  });
  fc.assert(fc.property(slips, ({ key, at, letter, kind }) => {
    const rest = key.slice(kind === "insert" ? at : at + 1);
    const slipped = key.slice(0, at) + (kind === "delete" ? "" : letter) + rest;
    assert.equal(nearest(slipped, KEYS), key);
  }));
});
