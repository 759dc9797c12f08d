import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../src/config/duration.ts";

const READ: readonly [text: string, durationMs: number | undefined][] = [
  ["5s", 5_000],
  ["1m30s", 90_000],
  ["300s", 300_000],
  ["1h", 3_600_000],
  ["250ms", 250],
  ["1h1m1s1ms", 3_661_001],
  ["0", 0],
  ["0s", 0],
  ["007s", 7_000],
  ["", undefined],
  ["5", undefined],
  ["s", undefined],
  ["5 s", undefined],
  [" 5s", undefined],
  ["5s\n", undefined],
  ["5S", undefined],
  ["1.5s", undefined],
  ["-5s", undefined],
  ["+5s", undefined],
  ["5s1m", undefined],
  ["5s5s", undefined],
  ["1d", undefined],
  ["5sec", undefined],
  ["9999999999h", undefined],
  ["٥s", undefined],
];

Deno.test("parseDuration() reads units in order and nothing else", async (t) => {
  for (const [text, durationMs] of READ) {
    await t.step(JSON.stringify(text), () => assert.equal(parseDuration(text), durationMs));
  }
});

const WRITTEN: readonly [durationMs: number, text: string][] = [
  [0, "0s"],
  [1, "1ms"],
  [5_000, "5s"],
  [90_000, "1m30s"],
  [3_600_000, "1h"],
  [3_600_001, "1h1ms"],
  [30 * 24 * 3_600_000, "720h"],
];

Deno.test("formatDuration() writes the shortest form", async (t) => {
  for (const [durationMs, text] of WRITTEN) {
    await t.step(text, () => assert.equal(formatDuration(durationMs), text));
  }
});

Deno.test("parseDuration() reads back whatever formatDuration() writes", () => {
  fc.assert(fc.property(fc.nat({ max: 1e12 }), (durationMs) => {
    assert.equal(parseDuration(formatDuration(durationMs)), durationMs);
  }));
});

Deno.test("parseDuration() gives a whole number of ms or undefined for any text", () => {
  const texts = fc.oneof(fc.string(), fc.stringMatching(/^(\d{1,3}(h|m|s|ms)){0,5}$/));
  fc.assert(fc.property(texts, (text) => {
    const durationMs = parseDuration(text);
    assert.ok(durationMs === undefined || (Number.isSafeInteger(durationMs) && durationMs >= 0), text);
  }));
});
