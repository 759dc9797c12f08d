import assert from "node:assert/strict";
import {
  ACCEPT_ERROR_CODES,
  acceptErrorCounter,
  bytesCounter,
  COUNTER,
  COUNTERS,
  FLOOD_KINDS,
  floodCounter,
  isFloodKind,
  LISTENERS_MAX,
  PHASE_BOUNDS_MS,
  phaseBucket,
  PHASES,
  phaseSum,
  reasonCounter,
  requestCounter,
  ROUTES_MAX,
  STATUS_CLASSES,
  VERDICT_TYPES,
  verdictCounter,
} from "../../src/observe/counters.ts";
import { REASON_NAMES } from "../../src/reasons.ts";

Deno.test("every counter has a place of its own in the column", () => {
  const slots = Array.from({ length: LISTENERS_MAX }, (_, slot) => slot);
  const all = [
    ...Object.values(COUNTER),
    ...ACCEPT_ERROR_CODES.map(acceptErrorCounter),
    ...VERDICT_TYPES.flatMap((type) => [verdictCounter(type, "enforce"), verdictCounter(type, "shadow")]),
    ...PHASES.flatMap((phase) => [
      ...[...PHASE_BOUNDS_MS, Infinity].map((ms) => phaseBucket(phase, ms)),
      phaseSum(phase),
    ]),
    ...slots.flatMap((slot) => [
      ...REASON_NAMES.map((reason) => reasonCounter(slot, reason)),
      bytesCounter(slot, "received"),
      bytesCounter(slot, "sent"),
    ]),
    ...FLOOD_KINDS.map(floodCounter),
    ...Array.from({ length: ROUTES_MAX }, (_, slot) => slot).flatMap((slot) =>
      STATUS_CLASSES.map((_, digit) => requestCounter(slot, digit * 100))
    ),
  ];
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.every((counter) => Number.isInteger(counter) && counter >= 0 && counter < COUNTERS));
});

Deno.test("phaseBucket() is the first whose bound isn't passed", () => {
  const first = phaseBucket("hello", 0);
  const rows: [ms: number, bucket: number][] = [
    [0, 0],
    [1, 0],
    [1.01, 1],
    [2, 1],
    [5.5, 3],
    [3_600_000, PHASE_BOUNDS_MS.length - 1],
    [3_600_001, PHASE_BOUNDS_MS.length],
    [Infinity, PHASE_BOUNDS_MS.length],
  ];
  for (const [ms, bucket] of rows) assert.equal(phaseBucket("hello", ms) - first, bucket, `${ms} ms`);
});

Deno.test("requestCounter() counts by the first digit of the status", () => {
  for (const [status, digit] of [[0, 0], [101, 1], [200, 2], [299, 2], [404, 4], [599, 5]] as const) {
    assert.equal(requestCounter(7, status), requestCounter(7, 0) + digit, `${status}`);
  }
});

Deno.test("isFloodKind() knows the kinds and nothing else", () => {
  assert.ok(FLOOD_KINDS.every(isFloodKind));
  for (const text of ["", "Reset", "toString", "flood"]) assert.equal(isFloodKind(text), false, text);
});
