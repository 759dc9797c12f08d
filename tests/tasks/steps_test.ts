import assert from "node:assert/strict";

import { type Counts, type Outcome, parseSummary, report, runSteps, type Step, total } from "./steps.ts";

Deno.test("parseSummary() reads the counts when the line is a test run's summary", () => {
  const table: [string, Counts | undefined][] = [
    ["ok | 12 passed | 0 failed (31ms)", { passed: 12, failed: 0, ignored: 0 }],
    ["ok | 12 passed (34 steps) | 0 failed (1s)", { passed: 12, failed: 0, ignored: 0 }],
    ["ok | 1 passed (1 step) | 0 failed | 2 ignored (1s)", { passed: 1, failed: 0, ignored: 2 }],
    ["FAILED | 3 passed (4 steps) | 2 failed (1 step) | 5 ignored (7 steps) (1m2s)", {
      passed: 3,
      failed: 2,
      ignored: 5,
    }],
    ["\x1b[0m\x1b[32mok\x1b[0m | 7 passed | 0 failed \x1b[0m\x1b[38;5;245m(31ms)\x1b[0m", {
      passed: 7,
      failed: 0,
      ignored: 0,
    }],
    ["12 passed, 0 failed", undefined],
    ["a ok | 12 passed | 0 failed", undefined],
    ["running 12 tests from ./a_test.ts", undefined],
    ["", undefined],
  ];
  for (const [line, expected] of table) assert.deepEqual(parseSummary(line), expected, line);
});

function outcome(ok: boolean, passed: number, failed: number): Outcome {
  return { name: "step", ok, passed, failed, ignored: 0, seconds: 1 };
}

Deno.test("total() counts a failed step when no test of it failed", () => {
  assert.deepEqual(total([outcome(true, 3, 0), outcome(true, 4, 0)]), { passed: 7, failed: 0, ignored: 0 });
  assert.deepEqual(total([outcome(true, 3, 0), outcome(false, 0, 0)]), { passed: 3, failed: 1, ignored: 0 });
  assert.deepEqual(total([outcome(false, 3, 2)]), { passed: 3, failed: 2, ignored: 0 });
});

Deno.test("report() ends with the plain line when steps have ended", () => {
  assert.match(report([outcome(true, 3, 0), outcome(false, 1, 1)]), /\n4 passed, 1 failed$/);
  assert.match(report([]), /\n0 passed, 0 failed$/);
});

/** Runs shell texts as steps; returns the exit code and everything that was written. */
async function run(texts: readonly string[], deadlineMs = 10_000): Promise<[number, string]> {
  const steps = texts.map((text, index): Step => ({
    name: `step${index}`,
    command: ["sh", "-c", text],
    deadlineMs,
  }));
  const lines: string[] = [];
  const code = await runSteps(steps, (text) => lines.push(text));
  return [code, lines.join("\n")];
}

Deno.test("runSteps() goes on and exits with 1 when a step fails", async () => {
  const summary = "echo 'ok | 2 passed | 0 failed (1ms)'";
  const [code, output] = await run([`${summary}; ${summary}`, "echo oops >&2; exit 3", `${summary} >&2`]);
  assert.equal(code, 1);
  assert.match(output, /^oops$/m);
  assert.match(output, /\n6 passed, 1 failed$/);
});

Deno.test("runSteps() exits with 0 when every step has passed", async () => {
  const [code, output] = await run(["printf 'ok | 2 passed | 0 failed (1ms)'", "true"]);
  assert.equal(code, 0);
  assert.match(output, /\n2 passed, 0 failed$/);
});

Deno.test("runSteps() kills all that a step started when its deadline has passed", async () => {
  const [code, output] = await run(["sleep 60 & sleep 60"], 100);
  assert.equal(code, 1);
  assert.match(output, /^step0: killed after 0.1 s$/m);
  assert.match(output, /\n0 passed, 1 failed$/);
});
