import assert from "node:assert/strict";
import type { Goal } from "./measures/measure.ts";
import { report, verdict } from "./report.ts";
import { median, quantile } from "./statistics.ts";

const GOALS: { goal: Goal; figure: number; reference: number; expected: string }[] = [
  { goal: { atLeast: 1.3 }, figure: 130, reference: 100, expected: "met" },
  { goal: { atLeast: 1.3 }, figure: 129, reference: 100, expected: "MISSED" },
  { goal: { atLeast: 1.3 }, figure: 130, reference: NaN, expected: "-" },
  { goal: { atMost: 0.6 }, figure: 0.6, reference: 1, expected: "met" },
  { goal: { atMost: 0.6 }, figure: 0.61, reference: 1, expected: "MISSED" },
  { goal: { plus: 0.2 }, figure: 0.25, reference: 0.1, expected: "met" },
  { goal: { plus: 0.2 }, figure: 0.35, reference: 0.1, expected: "MISSED" },
  { goal: { limit: 15 }, figure: 15, reference: NaN, expected: "met" },
  { goal: { limit: 15 }, figure: 15.1, reference: 100, expected: "MISSED" },
  { goal: { limit: 15 }, figure: NaN, reference: 1, expected: "-" },
];

Deno.test("verdict() holds a figure against its goal", async (t) => {
  for (const { goal, figure, reference, expected } of GOALS) {
    await t.step(`${JSON.stringify(goal)} ${figure} ${reference}`, () => {
      assert.equal(verdict(goal, figure, reference), expected);
    });
  }
});

Deno.test("verdict() holds a figure against the lowest of each group of peers that took part", () => {
  const goal = { within: [{ times: 1.2, of: ["HAProxy"] }, { times: 0.3, of: ["Caddy", "Go"] }] };
  const check = (figure: number, figures: Record<string, number>, expected: string) =>
    assert.equal(verdict(goal, figure, NaN, (name) => figures[name] ?? NaN), expected);
  check(12, { HAProxy: 10 }, "met");
  check(12.1, { HAProxy: 10 }, "MISSED");
  check(12, { HAProxy: 10, Caddy: 40, Go: 50 }, "met");
  check(12.1, { HAProxy: 100, Caddy: 40, Go: 50 }, "MISSED");
  check(12, { HAProxy: 10, Go: 39 }, "MISSED");
  check(12, {}, "-");
});

Deno.test("report() shows medians, ratios, goals and verdicts", () => {
  const rounds = new Map([
    ["mc-proxy", [{ rate: 100 }, { rate: 300 }, { rate: 150 }]],
    ["HAProxy", [{ rate: 100 }, { rate: 90 }, { rate: 110 }]],
  ]);
  const rows = [{ key: "rate", title: "rate", digits: 0, goal: { atLeast: 1.3 } }, {
    key: "other",
    title: "other",
    digits: 1,
  }];
  assert.equal(
    report(rows, rounds),
    [
      "median  mc-proxy  HAProxy  mc-proxy/HAProxy              goal",
      "rate         150      100              1.50  >= 1.3 x HAProxy  met",
      "other          -        -                 -",
    ].join("\n"),
  );
});

Deno.test("median() and quantile() take the middle and the nearest rank", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(quantile([5, 1, 4, 2, 3], 0.99), 5);
  assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3);
  assert.ok(Number.isNaN(median([])) && Number.isNaN(quantile([], 0.5)));
});
