import assert from "node:assert/strict";
import { BlockSampler } from "../../src/proxy/block_sampler.ts";
import { REASON_NAMES } from "../../src/reasons.ts";

const SECOND = 1_000;
/** A second's first ms. */
const START_MS = 1_700_000_000_000;
const LINES = 20;
const SAMPLED = [
  "blocked_ip",
  "blocked_cidr",
  "blocked_country",
  "rate_limited",
  "over_limit",
  "proxy_untrusted",
] as const;

Deno.test("BlockSampler.sample() leaves nothing out of other reasons", () => {
  const sampler = new BlockSampler();
  for (const reason of REASON_NAMES) {
    if ((SAMPLED as readonly string[]).includes(reason)) continue;
    for (let count = 0; count < 100; count++) assert.equal(sampler.sample(reason, START_MS), 0, reason);
  }
});

Deno.test("BlockSampler.sample() tells twenty a second of each reason", () => {
  const sampler = new BlockSampler();
  for (const reason of SAMPLED) {
    for (let count = 0; count < 100; count++) {
      assert.equal(sampler.sample(reason, START_MS + count * 9), count < LINES ? 0 : undefined, reason);
    }
  }
});

Deno.test("BlockSampler.sample() adds up to every one that was left out", () => {
  const sampler = new BlockSampler();
  const counts = [100, 3, 0, 21, 20, 5_000, 1];
  let told = 0;
  counts.forEach((count, second) => {
    for (let index = 0; index < count; index++) {
      const unlogged = sampler.sample("rate_limited", START_MS + second * SECOND + index % SECOND);
      if (unlogged !== undefined) told += 1 + unlogged;
    }
  });
  assert.equal(told, counts.reduce((sum, count) => sum + count));
});

Deno.test("BlockSampler.sample() says the number left out once, with the next line", () => {
  const sampler = new BlockSampler();
  for (let count = 0; count < 50; count++) sampler.sample("blocked_ip", START_MS);
  assert.equal(sampler.sample("blocked_cidr", START_MS + SECOND), 0, "another reason");
  assert.equal(sampler.sample("blocked_ip", START_MS + SECOND), 50 - LINES);
  assert.equal(sampler.sample("blocked_ip", START_MS + SECOND), 0);
});

Deno.test("BlockSampler.sample() isn't fooled by connections of two seconds that end in turn", () => {
  const sampler = new BlockSampler();
  const told = Array.from(
    { length: 2_000 },
    (_, index) => sampler.sample("over_limit", START_MS + (index % 2) * SECOND),
  );
  assert.ok(told.filter((unlogged) => unlogged !== undefined).length <= 2 * LINES);
});

Deno.test("BlockSampler.sample() goes on telling when the clock is set back", () => {
  const sampler = new BlockSampler();
  for (let count = 0; count < 100; count++) sampler.sample("blocked_ip", START_MS);
  assert.equal(sampler.sample("blocked_ip", START_MS - 3_600_000), 80);
});

Deno.test("BlockSampler.rest() says once what no later event has said", () => {
  const sampler = new BlockSampler();
  for (let count = 0; count < 50; count++) sampler.sample("blocked_ip", START_MS);
  for (let count = 0; count < 30; count++) sampler.sample("over_limit", START_MS);
  for (let count = 0; count < 40; count++) sampler.sample("rate_limited", START_MS);
  sampler.sample("rate_limited", START_MS + SECOND);
  sampler.sample("blocked_cidr", START_MS);
  assert.deepEqual([...sampler.rest()], [["blocked_ip", 30], ["over_limit", 10]]);
  assert.deepEqual([...sampler.rest()], []);
  assert.equal(sampler.sample("blocked_ip", START_MS + SECOND), 0);
});
